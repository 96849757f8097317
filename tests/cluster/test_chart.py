import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.controlplane import install, render_chart, uninstall
from tests.controlplane.api import RequestFailed
from tests.controlplane.chart import HelmFailed, notes_of, of_kind

CRDS = Path(__file__).parents[2] / "crds"
CHART = Path(__file__).parents[2] / "helm" / "keyferry"

EVERYTHING: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent / "golden" / "everything.values.yaml").read_text(),
)
NETWORK = EVERYTHING["networkPolicy"]
# By Helm at an uninstall; by Argo CD when what is in Git does not have them any more, as with crds.install=false.
KEPT = {"helm.sh/resource-policy": "keep", "argocd.argoproj.io/sync-options": "Prune=false"}


def container(manifests):
    (deployment,) = of_kind(manifests, "Deployment")
    return deployment["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"listen": {"port": "http"}}, "at '/listen/port': got string, want integer"),
        ({"log": {"level": "loud"}}, "at '/log/level': value must be one of 'debug', 'info', 'warning', 'error'"),
        ({"persistance": {"enabled": True}}, "additional properties 'persistance' not allowed"),
        (
            {"rbac": {"serviceAccountToken": False}},
            "at '/rbac': additional properties 'serviceAccountToken' not allowed",
        ),
        ({"dataDir": "data"}, "at '/dataDir'"),
        ({"secretNames": {"payments": []}}, "at '/secretNames/payments': minItems: got 0, want 1"),
        ({"secretNames": {"payments": ["Db"]}}, "at '/secretNames/payments/0'"),
        ({"shards": 0}, "at '/shards': minimum: got 0, want 1"),
        ({"runAsUser": 0}, "at '/runAsUser': minimum: got 0, want 1"),
    ],
    ids=lambda row: next(iter(row)) if isinstance(row, dict) else "",
)
def test_a_wrong_value_is_refused_by_name(plane, values, told):
    with pytest.raises(HelmFailed) as refused:
        render_chart(plane.binaries, values)

    assert told in str(refused.value)


def test_its_crds_are_those_that_are_generated(plane):
    rendered = of_kind(render_chart(plane.binaries, {}), "CustomResourceDefinition")
    for crd in rendered:
        assert crd["metadata"].pop("annotations") == KEPT

    assert {crd["spec"]["names"]["plural"]: crd for crd in rendered} == {
        path.stem: yaml.load(path.read_text(), Loader=yaml.CSafeLoader) for path in CRDS.glob("*.yaml")
    }


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["default", "everything"])
def test_all_of_it_applies_with_plain_kubectl_and_a_second_time_changes_nothing(plane, chart, namespace, values):
    rendered = chart(**values, crds={"install": True})
    manifests = [each for each in rendered if "helm.sh/hook" not in each["metadata"].get("annotations", {})]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    install(plane, manifests)

    again = plane.kubectl("apply", "--filename=-", stdin=listed).splitlines()

    uninstall(plane, manifests)
    assert len(again) == len(manifests)
    assert [line for line in again if not line.endswith(" unchanged")] == []


def test_every_value_there_is_makes_what_the_api_server_accepts(plane, chart):
    manifests = chart(**EVERYTHING)

    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    plane.kubectl("apply", "--filename=-", "--dry-run=server", "--validate=strict", stdin=listed)

    assert container(manifests)["args"] == [
        "run",
        "--listen=:9090",
        "--webhook-listen=:9091",
        "--data-dir=/data",
        "--log-level=debug",
        "--log-format=text",
        "--shards=4",
        "--largest-catalogue=5000000",
        "--tracing-endpoint=https://collector.example.com:4318",
        "--tracing-ratio=0.5",
        "--allow-ambient-in-namespaces",
        "--allow-endpoint=https://vault.example.com/*",
        "--allow-endpoint=http://localhost:*",
        "--listen=:9091",
    ]


def test_every_value_is_tried():
    """And so is rendered, and accepted by an API server."""
    known = yaml.load((CHART / "values.yaml").read_text(), Loader=yaml.CSafeLoader)
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]

    assert known.keys() == schema.keys() - {"global"}  # which Helm itself sets
    assert known.keys() - EVERYTHING.keys() == {"crds"}


def test_what_is_written_into_stores_is_kept_only_by_a_claim(chart):
    def volume(manifests):
        (deployment,) = of_kind(manifests, "Deployment")
        return next(v for v in deployment["spec"]["template"]["spec"]["volumes"] if v["name"] == "data")

    kept = chart(persistence={"enabled": True})

    assert volume(chart()) == {"name": "data", "emptyDir": {}}
    assert (
        volume(kept)["persistentVolumeClaim"]["claimName"]
        == of_kind(kept, "PersistentVolumeClaim")[0]["metadata"]["name"]
    )
    assert of_kind(kept, "PersistentVolumeClaim")[0]["metadata"]["annotations"] == KEPT
    assert of_kind(chart(persistence={"enabled": True, "existingClaim": "mine"}), "PersistentVolumeClaim") == []


def test_several_replicas_are_spread_and_drained_one_at_a_time(chart):
    single, several = chart(), chart(replicas=2)

    assert of_kind(single, "PodDisruptionBudget") == []
    assert "topologySpreadConstraints" not in pod_of(single)["spec"]
    (budget,) = of_kind(several, "PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1
    (spread,) = pod_of(several)["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"] == budget["spec"]["selector"]


def test_only_its_ports_are_let_in_and_it_may_go_anywhere_unless_told(chart):
    (plain,) = of_kind(chart(), "NetworkPolicy")
    (told,) = of_kind(chart(**EVERYTHING), "NetworkPolicy")

    assert plain["spec"]["policyTypes"] == ["Ingress"]
    assert plain["spec"]["ingress"] == [{"ports": [{"port": "http", "protocol": "TCP"}]}]
    assert told["spec"]["policyTypes"] == ["Ingress", "Egress"]
    http, webhook = told["spec"]["ingress"]
    assert http["from"][1:] == NETWORK["metricsFrom"]
    assert [{"podSelector": told["spec"]["podSelector"]}, *NETWORK["webhookFrom"]] == webhook["from"]
    assert of_kind(chart(networkPolicy={"enabled": False}), "NetworkPolicy") == []


def test_helm_test_succeeds_while_the_operator_runs_and_fails_when_it_does_not(chart, deploy):
    (pod,) = of_kind(chart(), "Pod")
    (tester,) = pod["spec"]["containers"]
    operator = deploy()
    (url,) = tester["args"]
    here = f"{operator.address}{urlsplit(url).path}"

    def tried():
        program = Path(sys.executable).parent / tester["command"][0]
        return subprocess.run([program, *tester["command"][1:], here], check=False, timeout=60).returncode

    assert tried() == 1
    operator.start()
    operator.wait_ready()
    assert tried() == 0


@pytest.fixture
def restricted(plane, namespace):
    """A namespace where the API server refuses every pod that does not meet the restricted standard."""
    labels = {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
    }
    path = f"/api/v1/namespaces/{namespace}"
    plane.request("PATCH", path, {"metadata": {"labels": labels}}, "application/merge-patch+json")
    return f"{path}/pods"


def pod_of(manifests):
    (deployment,) = of_kind(manifests, "Deployment")
    return {"metadata": {"name": "like-the-deployments"}, "spec": deployment["spec"]["template"]["spec"]}


def test_only_a_pod_that_asks_for_it_gets_the_operators_token(chart):
    made = chart()
    (account,) = of_kind(made, "ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    assert pod_of(made)["spec"]["automountServiceAccountToken"] is True


def test_its_pods_meet_the_restricted_pod_security_standard(plane, restricted, installed):
    (tester,) = of_kind(installed, "Pod")
    for pod in (pod_of(installed), {"metadata": {"name": "like-helm-tests"}, "spec": tester["spec"]}):
        assert plane.request("POST", restricted, pod)["metadata"]["name"] == pod["metadata"]["name"]


def test_a_pod_with_one_restriction_less_would_be_refused(plane, restricted, installed):
    pod = pod_of(installed)
    del pod["spec"]["containers"][0]["securityContext"]["capabilities"]

    with pytest.raises(RequestFailed, match="violates PodSecurity"):
        plane.request("POST", restricted, pod)


def test_several_replicas_need_a_volume_that_all_can_mount(chart):
    with pytest.raises(
        HelmFailed, match=r"a volume that all of them can mount, which ReadWriteOnce is not: set replicas"
    ):
        chart(replicas=2, persistence={"enabled": True})

    shared = chart(replicas=2, persistence={"enabled": True, "accessModes": ["ReadWriteMany"]})

    (deployment,) = of_kind(shared, "Deployment")
    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["strategy"]["type"] == "RollingUpdate"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "SQLite stores keep their secrets in an emptyDir, which ends with the pod"),
        ({"replicas": 2}, "Do not use SQLite stores as it is: each of the 2 replicas has a folder of its own"),
        ({"persistence": {"enabled": True}}, None),
    ],
    ids=["nothing is kept", "each keeps its own", "all is kept"],
)
def test_its_notes_tell_what_sqlite_stores_need(plane, values, told):
    notes = notes_of(plane.binaries, values)

    assert "rollout status deployment/keyferry" in notes
    assert told in notes if told else "SQLite" not in notes


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"image": {"repository": "keyferry"}}, "has no registry in its name"),
        ({"namespaces": ["team"]}, "kubectl explain secretstore.spec"),
        ({"admissionPolicy": {"enabled": False}}, "Only its own code keeps the operator from Secrets"),
        ({"monitoring": {"alerts": {"enabled": True}}}, "begins with docs/runbooks, which is no address"),
        ({"credentials": {"allowAmbientInNamespaces": True}}, "whoever may create a SecretStore has their rights"),
    ],
    ids=["no registry", "some namespaces", "no policy", "runbooks nowhere", "ambient for all"],
)
def test_its_notes_tell_what_is_not_as_it_should_be(plane, values, told):
    runbooks = "https://wiki.example.com/keyferry"
    good = {"image": {"repository": "registry.example.com/keyferry"}, "monitoring": {"alerts": {"runbooks": runbooks}}}

    assert told in notes_of(plane.binaries, values)
    assert told not in notes_of(plane.binaries, good)
