"""SecretStores and ClusterSecretStores as Kopf sees them."""

from typing import Any

import kopf

from keyferry.app import App
from keyferry.settings import GROUP, VERSION


def register(registry: kopf.OperatorRegistry, app: App) -> None:
    """Both kinds are one to the rest of Keyferry."""

    @kopf.on.event(GROUP, VERSION, "secretstores", registry=registry)
    @kopf.on.event(GROUP, VERSION, "clustersecretstores", registry=registry)
    async def store_seen(event: kopf.RawEvent, body: kopf.Body, **_: Any) -> None:
        app.store_seen(dict(body), deleted=event["type"] == "DELETED")
