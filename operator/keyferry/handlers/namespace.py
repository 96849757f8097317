"""Namespaces as Kopf sees them: their labels and annotation decide what they may see."""

from typing import Any

import kopf

from keyferry.handlers.lifecycle import Call
from keyferry.sync.waking import Waking


def register(registry: kopf.OperatorRegistry, waking: Waking, call: Call) -> None:
    """Level-based: of what happened only deletion matters; the reconciliation reads what is."""

    @kopf.on.event("", "v1", "namespaces", registry=registry)
    async def namespace_seen(event: kopf.RawEvent, body: kopf.Body, **_: Any) -> None:
        call(waking.namespace, dict(body), deleted=event["type"] == "DELETED")
