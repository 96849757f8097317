"""Namespaces as Kopf sees them: their labels and annotation decide what they may see."""

from typing import Any

import kopf

from keyferry.handlers.lifecycle import Call
from keyferry.sync.picture import Picture


def register(registry: kopf.OperatorRegistry, picture: Picture, call: Call) -> None:
    """Level-based: of what happened only deletion matters; the reconciliation reads what is."""

    @kopf.on.event("", "v1", "namespaces", registry=registry)
    async def namespace_seen(event: kopf.RawEvent, body: kopf.Body, **_: Any) -> None:
        call(picture.told, "namespaces", dict(body), deleted=event["type"] == "DELETED")
