"""What kstatus makes of an object: how Flux, Argo CD's health and `kubectl apply --wait`'s like read any kind.

Its rules for kinds that it does not know (sigs.k8s.io/cli-utils, pkg/kstatus/status: generic.go, status.go).
"""

from collections.abc import Mapping
from typing import Any


def computed(body: Mapping[str, Any]) -> str:
    """Current, InProgress, Failed or Terminating."""
    metadata, status = body["metadata"], body.get("status") or {}
    conditions = {each["type"]: each["status"] for each in status.get("conditions") or ()}
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    if status.get("observedGeneration", metadata["generation"]) != metadata["generation"]:
        return "InProgress"
    if conditions.get("Reconciling") == "True":
        return "InProgress"
    if conditions.get("Stalled") == "True":
        return "Failed"
    return "Current" if conditions.get("Ready", "True") == "True" else "InProgress"
