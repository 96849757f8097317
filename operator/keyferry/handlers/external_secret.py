"""ExternalSecrets as Kopf sees them."""

from typing import Any

import kopf

from keyferry.app import App
from keyferry.settings import GROUP, VERSION


def register(registry: kopf.OperatorRegistry, app: App) -> None:
    """Level-based: of what happened only deletion matters; the reconciliation reads what is."""

    @kopf.on.event(GROUP, VERSION, "externalsecrets", registry=registry)
    async def external_secret_seen(event: kopf.RawEvent, body: kopf.Body, **_: Any) -> None:
        app.external_secret_seen(dict(body), deleted=event["type"] == "DELETED")
