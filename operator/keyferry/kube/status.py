"""Writing the status of our own resources: one merge patch of the subresource, only what changed decides whether."""

from keyferry.kube.client import MERGE_PATCH, Json, Kube, path
from keyferry.settings import FIELD_MANAGER, GROUP, VERSION
from keyferry.values import Key

API = f"{GROUP}/{VERSION}"


async def write(kube: Kube, resource: str, key: Key, status: Json, old: Json) -> Json:
    """Replace the status and return the object as it is now. Raises NotFound when the object is gone."""
    dropped = dict.fromkeys(set(old) - set(status))  # null removes a field in a merge patch
    return await kube.send(
        "PATCH",
        path(API, resource, key.namespace, key.name, sub="status"),
        body={"status": {**dropped, **status}},
        content_type=MERGE_PATCH,
        query={"fieldManager": FIELD_MANAGER},
    )
