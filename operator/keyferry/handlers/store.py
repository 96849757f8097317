"""SecretStores and ClusterSecretStores as Kopf sees them: both kinds are one to the rest of Keyferry."""

from typing import Any

import kopf

from keyferry.handlers.lifecycle import Call
from keyferry.settings import GROUP, VERSION
from keyferry.sync.picture import Picture


def register(registry: kopf.OperatorRegistry, picture: Picture, call: Call) -> None:
    """Level-based: of what happened only deletion matters; the reconciliation reads what is."""

    @kopf.on.event(GROUP, VERSION, "secretstores", registry=registry)
    async def store_seen(event: kopf.RawEvent, body: kopf.Body, **_: Any) -> None:
        call(picture.told, "secretstores", dict(body), deleted=event["type"] == "DELETED")


def register_cluster_wide(registry: kopf.OperatorRegistry, picture: Picture, call: Call) -> None:
    """The same for ClusterSecretStores."""

    @kopf.on.event(GROUP, VERSION, "clustersecretstores", registry=registry)
    async def cluster_store_seen(event: kopf.RawEvent, body: kopf.Body, **_: Any) -> None:
        call(picture.told, "clustersecretstores", dict(body), deleted=event["type"] == "DELETED")
