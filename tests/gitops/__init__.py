"""The kinds of Argo CD and Flux that the examples use."""

from pathlib import Path
from typing import Any

import yaml

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "gitops"
KINDS = Path(__file__).parent / "kinds.yaml"
THERE = ("keyferry.dev/", "v1", "apps/")  # what the tests' API server knows by itself or by our chart


def manifests() -> list[Any]:
    """Everything in the examples."""
    return [each for path in sorted(EXAMPLES.rglob("*.yaml")) for each in yaml.safe_load_all(path.read_text())]


def foreign() -> list[Any]:
    """What is Argo CD's or Flux'."""
    return [each for each in manifests() if not each["apiVersion"].startswith(THERE)]
