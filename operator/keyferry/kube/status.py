"""Writing the status of our own resources: one merge patch of the subresource, only what changed decides whether."""

from keyferry.errors import KubeUnavailable
from keyferry.kube.client import MERGE_PATCH, Json, Kube, path
from keyferry.kube.errors import Conflict, NotFound
from keyferry.kube.watched import asked
from keyferry.settings import FIELD_MANAGER, GROUP, VERSION
from keyferry.values import Key

API = f"{GROUP}/{VERSION}"


_TRIES = 3


async def write(kube: Kube, resource: str, key: Key, status: Json, body: Json) -> Json | None:
    """Replace the status of that very object, and return it as it is now; None when it is gone or asks for more.

    The API server ignores a uid in a patch of the status and honours a resourceVersion (tried), so that is what keeps
    the status of a deleted object from its successor. What else may have changed it is looked at.
    """
    version = body["metadata"]["resourceVersion"]
    for _ in range(_TRIES):
        dropped = dict.fromkeys(set(body.get("status") or {}) - set(status))  # null removes a field in a merge patch
        patch = {"metadata": {"resourceVersion": version}, "status": {**dropped, **status}}
        try:
            return await kube.send(
                "PATCH",
                path(API, resource, key.namespace, key.name, sub="status"),
                body=patch,
                content_type=MERGE_PATCH,
                query={"fieldManager": FIELD_MANAGER},
            )
        except NotFound:
            return None
        except Conflict:
            try:
                now = await kube.one(API, resource, key.namespace, key.name)
            except NotFound:
                return None
            if asked(now) != asked(body):
                return None
            version = now["metadata"]["resourceVersion"]
    raise KubeUnavailable(f"{resource} {key} changes faster than its status can be written")
