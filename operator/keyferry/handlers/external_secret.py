"""ExternalSecrets as Kopf sees them."""

from typing import Any

import kopf

from keyferry.handlers.lifecycle import Call
from keyferry.settings import GROUP, VERSION
from keyferry.sync.picture import Picture


def register(registry: kopf.OperatorRegistry, picture: Picture, call: Call) -> None:
    """Level-based: of what happened only deletion matters; the reconciliation reads what is."""

    @kopf.on.event(GROUP, VERSION, "externalsecrets", registry=registry)
    async def external_secret_seen(event: kopf.RawEvent, body: kopf.Body, **_: Any) -> None:
        call(picture.told, "externalsecrets", dict(body), deleted=event["type"] == "DELETED")
