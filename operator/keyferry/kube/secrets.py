"""Writing target Secrets, by server-side apply. Their values are never read back: answers are metadata only."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from keyferry.errors import TargetNotOwned, TargetRejected
from keyferry.kube.client import APPLY, METADATA, At, Json, Kube, path
from keyferry.kube.errors import Conflict, Invalid, NotFound
from keyferry.settings import ADOPT_ANNOTATION, FIELD_MANAGER, OWNER_ANNOTATION
from keyferry.values import Key

_OTHERS = re.compile(rf'conflict with "{FIELD_MANAGER}:([^"]+)"')

_LONGEST_MANAGER = 128  # characters of a field manager's name


@dataclass(frozen=True, slots=True)
class SecretMeta:
    """What Keyferry knows of a Secret: everything that matters but its values."""

    uid: str
    resource_version: str
    owner: str  # the ExternalSecret that writes it, as its annotation says; "" when it is a stranger's
    adopt: bool  # its owner lets an ExternalSecret take it over
    made: bool = False  # that ExternalSecret wrote it indeed: a copy carries the annotation, too
    controller: str = ""  # the uid of what it is garbage-collected with; "" for an orphan

    def newer_than(self, other: "SecretMeta") -> bool:
        """Whether this was seen of the object later. Resource versions compare as numbers (KEP-5504)."""
        return int(self.resource_version) > int(other.resource_version)


def meta_of(metadata: Mapping[str, Any]) -> SecretMeta:
    """From an object's metadata, as a watch or an answer carries it."""
    annotations = metadata.get("annotations") or {}
    owner = annotations.get(OWNER_ANNOTATION, "")
    managers = {entry.get("manager") for entry in metadata.get("managedFields") or ()}
    return SecretMeta(
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        owner=owner,
        adopt=annotations.get(ADOPT_ANNOTATION) == "true",
        made=bool(owner) and manager_of(owner) in managers,
        controller=next((each["uid"] for each in metadata.get("ownerReferences") or () if each.get("controller")), ""),
    )


def manager_of(external_secret: str) -> str:
    """The field manager of an ExternalSecret of that name, its own: what it wrote is never mistaken for another's."""
    name = f"{FIELD_MANAGER}:{external_secret}"
    if len(name) <= _LONGEST_MANAGER:
        return name
    return f"{FIELD_MANAGER}:{hashlib.sha256(external_secret.encode()).hexdigest()}"


def _at(key: Key) -> At:
    return path("v1", "secrets", key.namespace, key.name)


async def look(kube: Kube, key: Key) -> SecretMeta | None:
    """The Secret's metadata now; None when there is no such Secret."""
    try:
        return meta_of((await kube.get(_at(key), accept=METADATA))["metadata"])
    except NotFound:
        return None


async def create(kube: Kube, key: Key, body: Json, manager: str) -> SecretMeta:
    """Make a Secret that a look did not find. Raises TargetNotOwned, and changes nothing, when somebody just made it.

    No other writer may use this field manager: what it wrote is taken back where the Secret is a stranger's.
    """
    try:
        code, answer = await _apply(kube, key, body, manager, force=False)
    except Conflict as taken:
        raise TargetNotOwned(_stranger(key)) from taken
    if code != HTTPStatus.CREATED:  # it was there after all: take back the fields that were added to it
        await _apply(kube, key, _nothing(key), manager, force=False)
        raise TargetNotOwned(_stranger(key))
    return meta_of(answer["metadata"])


async def update(kube: Kube, key: Key, body: Json, manager: str, *, uid: str) -> SecretMeta:
    """Bring a Secret to the state of `body`, whoever changed it. Raises Conflict when it is no longer that Secret."""
    body = {**body, "metadata": {**body["metadata"], "uid": uid}}
    _, answer = await _apply(kube, key, body, manager, force=True)
    return meta_of(answer["metadata"])


async def merge(kube: Kube, key: Key, body: Json, manager: str, *, uid: str) -> SecretMeta:
    """Like `update`, but what another ExternalSecret wrote is left to it: then TargetNotOwned names it."""
    body = {**body, "metadata": {**body["metadata"], "uid": uid}}
    try:
        _, answer = await _apply(kube, key, body, manager, force=False)
    except Conflict as conflict:
        if others := sorted(set(_OTHERS.findall(" ".join(conflict.causes)))):
            raise TargetNotOwned(
                f"keys of Secret {key} are written by ExternalSecret {', '.join(others)}: let only one write each"
            ) from None
        return await update(kube, key, body, manager, uid=uid)
    return meta_of(answer["metadata"])


async def withdraw(kube: Kube, key: Key, manager: str, *, uid: str) -> None:
    """Take back every field of a Secret that this manager wrote. A Secret that is gone already is fine."""
    body = _nothing(key)
    body["metadata"]["uid"] = uid
    try:
        await _apply(kube, key, body, manager, force=True)
    except (NotFound, Conflict):
        return


async def delete(kube: Kube, key: Key, *, uid: str) -> bool:
    """Delete that very Secret. One that is gone already, or is another by now, is fine: then it says False."""
    try:
        await kube.send("DELETE", _at(key), body={"preconditions": {"uid": uid}}, accept=METADATA)
    except (NotFound, Conflict):
        return False
    return True


async def _apply(kube: Kube, key: Key, body: Json, manager: str, *, force: bool) -> tuple[int, Json]:
    query = {"fieldManager": manager, "force": "true" if force else "false"}
    try:
        return await kube.exchange("PATCH", _at(key), body=body, content_type=APPLY, accept=METADATA, query=query)
    except Invalid as refused:
        if any(cause.startswith("metadata.uid:") for cause in refused.causes):
            raise Conflict(f"Secret {key} is another by now") from None
        raise TargetRejected(_refusal(key, refused)) from None  # the cause could quote what was sent


def _refusal(key: Key, refused: Invalid) -> str:
    causes = ", ".join(refused.causes) or "no reason given"
    hint = "an immutable Secret, or its type, cannot be changed: delete the Secret and it is made anew"
    return f"the API server refuses Secret {key} ({causes}); {hint}"


def _nothing(key: Key) -> Json:
    """Nothing of ours. Without the empty `data` the API server drops also the keys that no manager owns (tried)."""
    metadata = {"name": key.name, "namespace": key.namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {}}


def _stranger(key: Key) -> str:
    return (
        f"Secret {key} exists and was not made by this ExternalSecret: choose another target.name, use creationPolicy: "
        f'Merge, or let it be taken over by giving it the annotation {ADOPT_ANNOTATION}: "true"'
    )


def stranger(key: Key, meta: SecretMeta) -> TargetNotOwned:
    """The refusal for a Secret that is somebody else's, naming the other ExternalSecret where there is one."""
    if meta.owner:
        return TargetNotOwned(f"Secret {key} is written by ExternalSecret {meta.owner}: choose another target.name")
    return TargetNotOwned(_stranger(key))
