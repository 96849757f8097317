"""Namespaces as Kopf sees them: their labels and annotation decide what they may see."""

from typing import Any

import kopf

from keyferry.app import App


def register(registry: kopf.OperatorRegistry, app: App) -> None:
    """Core namespaces, of which labels and annotations are kept."""

    @kopf.on.event("", "v1", "namespaces", registry=registry)
    async def namespace_seen(event: kopf.RawEvent, body: kopf.Body, **_: Any) -> None:
        app.namespace_seen(dict(body), deleted=event["type"] == "DELETED")
