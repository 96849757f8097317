"""Writing: a secret is made if it is not there, its tags are set, and a version is added."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import google_crc32c

from keyferry.backends.gcp.place import nameable
from keyferry.backends.gcp.tags import Marks, marks_for
from keyferry.errors import SecretMissing, SecretTooLarge, SpecInvalid

if TYPE_CHECKING:
    from keyferry.backends.gcp.connection import Connection

LARGEST_VALUE = 64 * 1024  # bytes
_LONGEST_NAME = 255
_OTHER = re.compile(r"[^A-Za-z0-9-]+")


def name_of(parts: Sequence[str]) -> str:
    """A name of a place's parts, joined by _. Where that is not reversible a digest keeps two places apart."""
    name = "_".join(_OTHER.sub("-", part) for part in parts)
    if name.split("_") == list(parts) and len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - 9]}-{digest}"


async def put(connection: "Connection", name: str, data: bytes, tags: Mapping[str, str]) -> str:
    """Create the secret or update it; returns the new version's number. Raises SyncError."""
    resource = _checked(connection, name)
    if len(data) > LARGEST_VALUE:
        raise SecretTooLarge(f"{resource}: a value has at most {LARGEST_VALUE} bytes")
    before = await _marks(connection, resource)
    after = marks_for(tags, before or Marks({}, {}))
    if before is None:
        await _create(connection, name, after)
    elif before != after:
        await _retag(connection, resource, after)
    payload = {"data": data, "data_crc32c": google_crc32c.value(data)}

    async def call(client: Any, how: dict[str, Any]) -> Any:
        return await client.add_secret_version(parent=resource, payload=payload, **how)

    made = await connection.ask("AddSecretVersion", "versions.add", resource, call)
    return str(made.name.rpartition("/")[2])


async def delete(connection: "Connection", name: str) -> None:
    """Delete the secret. Raises SecretMissing where there is none."""
    resource = _checked(connection, name)

    async def call(client: Any, how: dict[str, Any]) -> None:
        await client.delete_secret(name=resource, **how)

    await connection.ask("DeleteSecret", "secrets.delete", resource, call)


def _checked(connection: "Connection", name: str) -> str:
    if not nameable(name):
        raise SpecInvalid(f"no secret of Secret Manager can be called {name!r}: write letters, digits, - and _")
    return connection.place.secret(name)


async def _marks(connection: "Connection", resource: str) -> Marks | None:
    """How the secret is marked; None where there is none."""

    async def call(client: Any, how: dict[str, Any]) -> Any:
        return await client.get_secret(name=resource, **how)

    try:
        found = await connection.ask("GetSecret", "secrets.get", resource, call)
    except SecretMissing:
        return None
    return Marks(dict(found.labels), dict(found.annotations))


async def _create(connection: "Connection", name: str, marks: Marks) -> None:
    place = connection.place
    secret: dict[str, Any] = {"labels": dict(marks.labels), "annotations": dict(marks.annotations)}
    if not place.regional:
        secret["replication"] = {"automatic": {}}

    async def call(client: Any, how: dict[str, Any]) -> None:
        await client.create_secret(parent=place.parent, secret_id=name, secret=secret, **how)

    await connection.ask("CreateSecret", "secrets.create", place.parent, call)


async def _retag(connection: "Connection", resource: str, marks: Marks) -> None:
    secret = {"name": resource, "labels": dict(marks.labels), "annotations": dict(marks.annotations)}

    async def call(client: Any, how: dict[str, Any]) -> None:
        await client.update_secret(secret=secret, update_mask={"paths": ["labels", "annotations"]}, **how)

    await connection.ask("UpdateSecret", "secrets.update", resource, call)
