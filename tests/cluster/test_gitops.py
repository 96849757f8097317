"""The examples for Argo CD and Flux as the API server takes them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "examples" / "gitops"
KNOWN = ("keyferry.dev/", "v1", "apps/")  # Argo CD's and Flux' own kinds are not there
MANIFESTS: list[Any] = [
    manifest
    for path in sorted(FOLDER.rglob("*.yaml"))
    for manifest in yaml.safe_load_all(path.read_text())
    if manifest["apiVersion"].startswith(KNOWN)
]


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_a_manifest_is_accepted_as_it_stands(plane, crds, namespace, manifest):
    there = {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}
    answer = plane.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=json.dumps(there))
    assert answer.endswith("created (server dry run)\n")
