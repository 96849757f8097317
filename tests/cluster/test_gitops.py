"""What we write for Argo CD, Flux and the Prometheus operator, as an API server takes it that knows their kinds."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane import ControlPlane, render_chart
from tests.controlplane.plane import KubectlFailed
from tests.foreign import KINDS, examples, foreign, watching

MANIFESTS = [pytest.param(each, id=f"{each['kind']}-{each['metadata']['name']}") for each in examples()]
FOREIGN = [pytest.param(each, id=f"{each['kind']}-{each['metadata']['name']}") for each in foreign()]


@pytest.fixture(scope="module")
def kinds(plane: ControlPlane, crds: None) -> Iterator[None]:
    """All that they are of."""
    plane.kubectl("apply", "-f", str(KINDS))
    plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(KINDS))
    plane.kubectl("api-resources")  # kubectl remembers what there was before; this makes it look again
    yield
    plane.kubectl("delete", "-f", str(KINDS))


def applied(plane: ControlPlane, namespace: str, manifest: dict[str, Any]) -> str:
    """What `kubectl apply` would say."""
    there = {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}
    return plane.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=json.dumps(there))


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_manifest_is_accepted_as_it_stands(plane, kinds, namespace, manifest):
    assert applied(plane, namespace, manifest).endswith("created (server dry run)\n")


@pytest.mark.parametrize("manifest", FOREIGN)
def test_a_field_that_its_kind_does_not_know_would_be_refused(plane, kinds, namespace, manifest):
    wrong = copy.deepcopy(manifest)
    wrong["spec"]["intervall"] = "10m"
    with pytest.raises(KubectlFailed, match=r'unknown field "spec\.intervall"'):
        applied(plane, namespace, wrong)


def test_the_chart_takes_the_values_that_it_is_given(plane):
    specs = [each["spec"] for each in foreign()]
    given = [spec["values"] for spec in specs if "values" in spec]
    given += [spec["source"]["helm"]["valuesObject"] for spec in specs if "helm" in spec.get("source", {})]
    assert len(given) == 2
    assert all(render_chart(plane.binaries, values) for values in given)


def test_what_the_chart_has_for_the_prometheus_operator_is_accepted(plane, kinds, namespace):
    found = watching(plane.binaries)
    assert {each["kind"] for each in found} == {"PodMonitor", "ServiceMonitor", "PrometheusRule"}
    for manifest in found:
        assert applied(plane, namespace, manifest).endswith("created (server dry run)\n")
