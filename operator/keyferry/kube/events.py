"""Events, on transitions only: what `kubectl describe` shows beside the conditions."""

from datetime import UTC, datetime
from typing import Literal

from keyferry.api.conditions import Condition
from keyferry.kube.client import Json, Kube, path
from keyferry.settings import GROUP, VERSION

# A first success makes no event, so what says that all is well says that it is so again.
_OF_A_SECRET, _OF_A_STORE = "the Secret is as the backend has it again", "the store can be used again"
OPERATOR_NAMESPACE = "default"  # where events of cluster-scoped objects are kept by convention


def event_for(kind: str, metadata: Json, condition: Condition, now: datetime) -> Json:
    """The event that tells of a transition of Ready."""
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    type_: Literal["Normal", "Warning"] = "Normal" if condition.status == "True" else "Warning"
    namespace = metadata.get("namespace") or OPERATOR_NAMESPACE
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{metadata['name'][:200]}.", "namespace": namespace},
        "involvedObject": {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": kind,
            "name": metadata["name"],
            "namespace": metadata.get("namespace", ""),
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "type": type_,
        "reason": condition.reason,
        "message": condition.message or (_OF_A_SECRET if kind == "ExternalSecret" else _OF_A_STORE),
        "source": {"component": "keyferry"},
        "reportingComponent": "keyferry.dev/operator",
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }


async def emit(kube: Kube, event: Json) -> None:
    """Post an event. Raises KubeError or KubeUnavailable, which a caller may log: an event is a convenience."""
    await kube.send("POST", path("v1", "events", event["metadata"]["namespace"]), body=event)
