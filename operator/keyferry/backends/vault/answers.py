"""What is in Vault's answers. Pure: they may lack anything."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from keyferry.errors import BackendUnavailable
from keyferry.values import Entry, Fetched, Value


def names_in(answer: Mapping[str, Any]) -> list[str]:
    """The names in the answer to a list. Raises BackendUnavailable where it is not whole."""
    keys = part(answer, "data").get("keys")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise BackendUnavailable("Vault's answer to List has no names in it")
    return keys


def entry(name: str, metadata: Mapping[str, Any], now: datetime) -> Entry | None:
    """A line of the catalogue, of metadata; None where no version can be read."""
    listed, current = metadata.get("versions"), metadata.get("current_version")
    if not isinstance(listed, dict) or not isinstance(current, int):
        raise BackendUnavailable(f"Vault's metadata of {name} says nothing of versions")
    versions = {
        number: version_of({**found, "version": number}) for number, found in listed.items() if alive(found, now)
    }
    if not versions:
        return None
    if str(current) in versions:
        versions[""] = versions[str(current)]
    tags = metadata.get("custom_metadata") or {}
    return Entry(name, name, versions, {str(key): str(text) for key, text in tags.items()})


def alive(version: Mapping[str, Any], now: datetime) -> bool:
    """Whether a version can be read. One that is to be deleted some day has a time of deletion, too."""
    if version.get("destroyed"):
        return False
    deleted = version.get("deletion_time")
    return not deleted or datetime.fromisoformat(deleted) > now


def version_of(found: Mapping[str, Any]) -> str:
    """A version's identity. The number alone would come again where all of a secret is deleted and it is made anew."""
    number, created = found.get("version"), found.get("created_time")
    if not number or not created:
        raise BackendUnavailable("Vault's answer has a version without number or time")
    return f"{number}@{created}"


def value(answer: Mapping[str, Any], where: str) -> Fetched:
    """The value in an answer: a KV secret is a map, its value that map as JSON."""
    data = part(answer, "data")
    content = data.get("data")
    if not isinstance(content, dict):
        return BackendUnavailable(f"Vault's answer for {where} lacks its value")
    return Value(as_json(content), version_of(part(data, "metadata")))


def as_json(content: Mapping[str, Any]) -> bytes:
    """A secret's map as its value."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def why_absent(where: str, version: str, body: Mapping[str, Any]) -> str:
    """What became of it: Vault tells with the answer that a version is deleted or destroyed."""
    found = (body.get("data") or {}).get("metadata") or {}
    number = found.get("version")
    if number and found.get("destroyed"):
        return f"version {number} of {where} was destroyed, for good: put a new one, or drop the key here"
    if number:
        return f"version {number} of {where} is deleted: undelete it in Vault, put a new one, or drop the key here"
    if version:
        return f"Vault has no secret {where}, or no version {version} of it"
    return f"Vault has no secret {where}"


def part(answer: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = answer.get(key)
    if not isinstance(found, dict):
        raise BackendUnavailable(f"Vault's answer has no {key} in it")
    return found
