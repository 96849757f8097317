"""Others' kinds that we write: Argo CD's and Flux' in the examples, the Prometheus operator's in the chart."""

from pathlib import Path
from typing import Any

import yaml

from tests.controlplane import Binaries, render_chart

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "gitops"
KINDS = Path(__file__).parent / "kinds.yaml"
THERE = ("keyferry.dev/", "v1", "apps/")  # what the tests' API server knows by itself or by our chart
WATCHING = {"alerts": {"enabled": True}, "podMonitor": {"enabled": True}}


def examples() -> list[Any]:
    """Everything in the examples."""
    return [each for path in sorted(EXAMPLES.rglob("*.yaml")) for each in yaml.safe_load_all(path.read_text())]


def foreign() -> list[Any]:
    """What of it is Argo CD's or Flux'."""
    return [each for each in examples() if not each["apiVersion"].startswith(THERE)]


def watching(binaries: Binaries) -> list[Any]:
    """What the chart has for the Prometheus operator."""
    by_pod, by_service = WATCHING, {"serviceMonitor": {"enabled": True}}
    made = [each for values in (by_pod, by_service) for each in render_chart(binaries, {"monitoring": values})]
    return [each for each in made if each["apiVersion"].startswith("monitoring.coreos.com/")]
