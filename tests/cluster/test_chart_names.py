"""Names and labels that nobody expects: each makes what the API server accepts, or is refused in words."""

import json
import uuid
from collections.abc import Iterator

import pytest

from tests.controlplane import ControlPlane, render_chart
from tests.controlplane.chart import HelmFailed, of_kind

CRDS_ARE_THERE = {"crds": {"install": False}}
UNLABELLED = {"CustomResourceDefinition"}  # generated, and rendered byte by byte


@pytest.fixture
def number(plane: ControlPlane) -> Iterator[str]:
    """A namespace whose name is a number to whoever reads YAML."""
    name = str(uuid.uuid4().int)[:12]
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    plane.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.mark.parametrize("release", ["my.app", "true", "a" * 53])
def test_the_api_server_accepts_what_is_made_of_a_strange_name(plane, crds, number, release):
    values = {
        "namespaces": [number],
        "webhook": {"enabled": True},
        "persistence": {"enabled": True, "storageClass": "1"},
        "runAsUser": 1000650000,  # as OpenShift gives them; a float to Helm
        "terminationGracePeriodSeconds": 3000000,
    }
    for chosen in (values, values | {"namespaces": []}):
        made = render_chart(plane.binaries, CRDS_ARE_THERE | chosen, release=release, namespace=number)
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
        plane.kubectl("apply", "--filename=-", "--dry-run=server", "--validate=strict", stdin=listed)


def test_a_name_that_no_service_can_have_is_refused_in_words(plane):
    with pytest.raises(HelmFailed, match=r'begins with a letter, which "12345" does not: set fullnameOverride'):
        render_chart(plane.binaries, {}, release="12345")
    with pytest.raises(HelmFailed, match="/fullnameOverride': maxLength: got 54, want 53"):
        render_chart(plane.binaries, {"fullnameOverride": "a" * 54})


def test_labels_for_all_objects_are_on_each_and_its_own_win(plane):
    monitor = {"enabled": True, "labels": {"tier": "metrics"}}
    values = {
        "commonLabels": {"tier": "all", "owner": "us"},
        "podLabels": {"tier": "pod"},
        "webhook": {"enabled": True},
    }
    made = render_chart(plane.binaries, values | {"monitoring": {"podMonitor": monitor}, "replicas": 2})

    unlabelled = [each for each in made if each["metadata"].get("labels", {}).get("owner") != "us"]
    assert {each["kind"] for each in unlabelled} == UNLABELLED
    (deployment,) = of_kind(made, "Deployment")
    assert deployment["metadata"]["labels"]["tier"] == "all"
    assert deployment["spec"]["template"]["metadata"]["labels"]["tier"] == "pod"
    assert of_kind(made, "PodMonitor")[0]["metadata"]["labels"]["tier"] == "metrics"


@pytest.mark.parametrize("value", ["commonLabels", "podLabels"])
def test_a_label_that_would_hide_the_pods_from_their_services_is_refused(plane, value):
    with pytest.raises(HelmFailed, match=r"the label app.kubernetes.io/name is the chart's own"):
        render_chart(plane.binaries, {value: {"app.kubernetes.io/name": "mine"}})


def test_helm_test_reaches_the_operator_wherever_others_may_not_and_is_taken_for_none(plane):
    only = {"metricsFrom": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}]}
    values = {"networkPolicy": only, "tolerations": [{"operator": "Exists"}], "nodeSelector": {"pool": "infra"}}
    made = render_chart(plane.binaries, values)
    (tester,), (policy,), (service,) = (of_kind(made, kind) for kind in ("Pod", "NetworkPolicy", "Service"))
    labels = tester["metadata"]["labels"].items()

    allowed = [each["podSelector"]["matchLabels"] for each in policy["spec"]["ingress"][0]["from"]]
    assert [each.items() <= labels for each in allowed] == [True, False]
    assert not service["spec"]["selector"].items() <= labels
    assert tester["spec"]["tolerations"] == values["tolerations"]
    assert tester["spec"]["nodeSelector"] == values["nodeSelector"]
