"""Writes: a secret, its metadata, and the folders above it."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from keyferry.backends.infisical.client import Request
from keyferry.backends.infisical.connection import Api, body_of
from keyferry.backends.infisical.errors import CallDenied, NotThere, What
from keyferry.backends.infisical.folders import joined, split
from keyferry.backends.infisical.reading import Reader
from keyferry.errors import BackendUnavailable, PermissionDenied, SecretMissing, SpecInvalid, ValueInvalid

_REFERENCE = re.compile(r"\$\{[A-Za-z0-9._-]+\}")  # what Infisical takes for one


async def put(reader: Reader, name: str, data: bytes, tags: Mapping[str, str]) -> str:
    """Write a secret; its version. Whether others write meanwhile is not noticed. Raises SyncError."""
    text = _text(name, data)
    _fits(reader, name)
    before = await _before(reader, name)
    metadata = _metadata(before, tags)
    if before is None:
        try:
            await _send(reader, "POST", name, "Create", secretValue=text, secretMetadata=metadata)
        except NotThere as absent:
            if absent.what is not What.FOLDER:
                raise
            await _make_folders(reader, name)
            await _send(reader, "POST", name, "Create", secretValue=text, secretMetadata=metadata)
    else:
        slugs = _slugs(before)
        kept = {} if set(slugs) <= tags.keys() else {"tagIds": [slugs[each] for each in slugs if each in tags]}
        await _send(reader, "PATCH", name, "Update", secretValue=text, secretMetadata=metadata, **kept)
    return (await reader.one(name)).version


async def delete(reader: Reader, name: str) -> None:
    """Delete a secret. Raises SecretMissing where there is none."""
    _fits(reader, name)
    try:
        await _send(reader, "DELETE", name, "Delete")
    except NotThere:
        raise SecretMissing(reader.absent(name)) from None


def _text(name: str, data: bytes) -> str:
    """The value as Infisical keeps it. Raises ValueInvalid for one that would come back as another."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ValueInvalid(f"{name}: Infisical keeps text in UTF-8: encode the value, in Base64 for example") from None
    if text.removesuffix("\n").strip() != text.removesuffix("\n"):
        raise ValueInvalid(f"{name}: Infisical cuts off space at a value's ends: encode it, in Base64 for example")
    if _REFERENCE.search(text):
        raise ValueInvalid(f"{name}: Infisical takes ${{…}} in a value for a reference to another secret")
    return text


def _fits(reader: Reader, name: str) -> None:
    if "/" in name and not reader.connection.place.recursive:
        raise SpecInvalid(f"{name}: {reader.absent(name)}")


async def _before(reader: Reader, name: str) -> Mapping[str, Any] | None:
    """The secret as it is told, without its value; None where there is none."""
    try:
        return await reader.described(name)
    except NotThere as absent:
        if absent.what in {What.SECRET, What.FOLDER}:
            return None
        raise SpecInvalid(str(absent)) from absent


def _slugs(before: Mapping[str, Any]) -> dict[str, str]:
    """The IDs of its tags, which Infisical calls so, by their words."""
    return {str(each["slug"]): str(each["id"]) for each in before.get("tags") or () if each.get("id")}


def _metadata(before: Mapping[str, Any] | None, tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """Just these tags as metadata, and what is encrypted, which is nobody's tag.

    A word without a value that is there already as a tag of Infisical's stays one.
    """
    words = _slugs(before) if before else {}
    encrypted = [dict(each) for each in (before or {}).get("secretMetadata") or () if each.get("isEncrypted")]
    return encrypted + [{"key": key, "value": text} for key, text in tags.items() if text or key not in words]


async def _make_folders(reader: Reader, name: str) -> None:
    """Make the folders above a secret, one after the other, as far as they lack."""
    above, parts = reader.connection.place.folder, name.split("/")[:-1]
    for number, part in enumerate(parts, 1):
        try:
            await reader.connection.ask("CreateFolder", _folder(reader, above, part), above, "Create (Secret Folders)")
        except CallDenied:
            if number == len(parts):
                raise
        except BackendUnavailable:
            pass  # it is there, most likely; if not, writing the secret tells
        above = joined(above, part)


def _folder(reader: Reader, parent: str, part: str) -> Callable[[Api], Request]:
    def request(api: Api) -> Request:
        at = reader.connection.at(api, parent)
        path = at.pop("secretPath")
        return Request("POST", api.folders, body={**at, "path": path, "name": part})

    return request


async def _send(reader: Reader, method: str, name: str, needs: str, **more: Any) -> None:
    folder, key = split(reader.connection.place.folder, name)

    def request(api: Api) -> Request:
        at = reader.connection.at(api, folder)
        return Request(method, f"{api.secrets}/{quote(key, safe='')}", body=body_of(at, **more))

    answer = await reader.connection.ask(needs, request, folder, f"{needs} (Secrets)")
    if "approval" in answer.body:
        raise PermissionDenied(
            f"{name}: a policy of Infisical's has changes in {reader.connection.place.words(folder)} approved: the "
            "change was asked for, and waits there"
        )
