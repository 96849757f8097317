"""Writing the status of our own resources: one merge patch of the subresource, only what changed decides whether."""

from keyferry.kube.client import MERGE_PATCH, Json, Kube, path
from keyferry.kube.errors import Conflict, NotFound
from keyferry.settings import FIELD_MANAGER, GROUP, VERSION
from keyferry.values import Key

API = f"{GROUP}/{VERSION}"


async def write(kube: Kube, resource: str, key: Key, status: Json, body: Json) -> Json | None:
    """Replace the status of that very object, and return it as it is now; None when it is gone, or another by now."""
    dropped = dict.fromkeys(set(body.get("status") or {}) - set(status))  # null removes a field in a merge patch
    try:
        return await kube.send(
            "PATCH",
            path(API, resource, key.namespace, key.name, sub="status"),
            body={"metadata": {"uid": body["metadata"]["uid"]}, "status": {**dropped, **status}},
            content_type=MERGE_PATCH,
            query={"fieldManager": FIELD_MANAGER},
        )
    except (NotFound, Conflict):
        return None
