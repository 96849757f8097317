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
    done = _helm(binaries, values, "template", release, str(chart), "--namespace", namespace)
    return [manifest for manifest in yaml.load_all(done, Loader=yaml.CSafeLoader) if manifest]


def notes_of(binaries: Binaries, values: Mapping[str, Any]) -> str:
    """What `helm install` with these values would tell its user."""
    return _helm(binaries, values, "install", "keyferry", str(CHART), "--dry-run=client").partition("NOTES:")[2]


def _helm(binaries: Binaries, values: Mapping[str, Any], *arguments: str) -> str:
    with tempfile.TemporaryDirectory(prefix="keyferry-helm-") as home:
        done = subprocess.run(
            [str(binaries.helm), *arguments, "--values", "-"],
            input=json.dumps(values),
            env={"HOME": home, "PATH": os.defpath},
            capture_output=True,
            text=True,
            check=False,
            timeout=HELM_WITHIN,
        )
    if done.returncode != 0:
        raise HelmFailed(f"helm {arguments[0]} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def install(plane: ControlPlane, manifests: Iterable[Manifest]) -> None:
    """Apply them with plain kubectl, their namespaces first, and return when their kinds may be used."""
    everything = list(manifests)
    for namespace in {namespace for m in everything if (namespace := m["metadata"].get("namespace"))}:
        if not plane.exists(f"/api/v1/namespaces/{namespace}"):
            plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    crds = [crd["metadata"]["name"] for crd in of_kind(everything, KIND_OF_CRDS)]
    new = [crd for crd in crds if not plane.exists(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd}")]
    plane.kubectl("apply", "--filename=-", stdin=_list(everything))
    if new:
        plane.kubectl("wait", "--for=condition=Established", f"--timeout={ESTABLISHED_WITHIN}", "crd", *new)
        plane.restart_controllers()  # else an owner of a new kind could be deleted unnoticed for half a minute


def uninstall(plane: ControlPlane, manifests: Iterable[Manifest]) -> None:
    """Delete them, but for the CRDs: those would take every object of their kinds along."""
    listed = _list([manifest for manifest in manifests if manifest["kind"] != KIND_OF_CRDS])
    plane.kubectl("delete", "--filename=-", "--ignore-not-found", "--wait=false", stdin=listed)


def of_kind(manifests: Iterable[Manifest], kind: str) -> list[Manifest]:
    """Those of one kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def _list(manifests: list[Manifest]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
