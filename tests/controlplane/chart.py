"""The chart as the real helm renders it, and as plain kubectl applies it."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.controlplane.binaries import Binaries
from tests.controlplane.plane import ControlPlane

CHART = Path(__file__).parents[2] / "helm" / "keyferry"
NAMESPACE = "keyferry-system"
HELM_WITHIN = 60.0
ESTABLISHED_WITHIN = "30s"

KIND_OF_CRDS = "CustomResourceDefinition"

Manifest = dict[str, Any]


class HelmFailed(Exception):
    """helm refused the values or the chart; the text is its own."""


def render_chart(
    binaries: Binaries,
    values: Mapping[str, Any],
    *,
    release: str = "keyferry",
    namespace: str = NAMESPACE,
    chart: Path = CHART,
) -> list[Manifest]:
    """What `helm install` with these values would create."""
    with tempfile.TemporaryDirectory(prefix="keyferry-helm-") as home:
        done = subprocess.run(
            [str(binaries.helm), "template", release, str(chart), "--namespace", namespace, "--values", "-"],
            input=json.dumps(values),
            env={"HOME": home, "PATH": os.defpath},
            capture_output=True,
            text=True,
            check=False,
            timeout=HELM_WITHIN,
        )
    if done.returncode != 0:
        raise HelmFailed(f"helm template ended with {done.returncode}: {done.stderr}")
    return [manifest for manifest in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if manifest]


def install(plane: ControlPlane, manifests: Iterable[Manifest]) -> None:
    """Apply them with plain kubectl, their namespaces first, and return when their kinds may be used."""
    everything = list(manifests)
    namespaces = sorted({namespace for m in everything if (namespace := m["metadata"].get("namespace"))})
    known = set(plane.kubectl("get", "crd", "--output=name").split())
    _apply(plane, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in namespaces])
    _apply(plane, everything)
    crds = [f"customresourcedefinition.apiextensions.k8s.io/{name}" for name in named(everything, KIND_OF_CRDS)]
    if set(crds) - known:
        plane.kubectl("wait", "--for=condition=Established", f"--timeout={ESTABLISHED_WITHIN}", *crds)
        plane.restart_controllers()  # else an owner of a new kind could be deleted unnoticed for half a minute


def uninstall(plane: ControlPlane, manifests: Iterable[Manifest]) -> None:
    """Delete them, but for the CRDs: those would take every object of their kinds along."""
    listed = {"apiVersion": "v1", "kind": "List", "items": [m for m in manifests if m["kind"] != KIND_OF_CRDS]}
    plane.kubectl("delete", "--filename=-", "--ignore-not-found", "--wait=false", stdin=json.dumps(listed))


def of_kind(manifests: Iterable[Manifest], kind: str) -> list[Manifest]:
    """Those of one kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def named(manifests: Iterable[Manifest], kind: str) -> list[str]:
    """The names of those of one kind."""
    return [manifest["metadata"]["name"] for manifest in of_kind(manifests, kind)]


def _apply(plane: ControlPlane, manifests: list[Manifest]) -> None:
    if manifests:
        listed = {"apiVersion": "v1", "kind": "List", "items": manifests}
        plane.kubectl("apply", "--filename=-", stdin=json.dumps(listed))
