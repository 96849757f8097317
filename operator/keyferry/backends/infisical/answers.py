"""What is in Infisical's answers. Pure: they may lack anything."""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from keyferry.backends.infisical.folders import named
from keyferry.errors import BackendUnavailable, PermissionDenied
from keyferry.values import Entry, Fetched, Value

HIDDEN = "hidden"  # in a version: the value may not be seen
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as Infisical told it. `value` is None where it may not be seen."""

    number: int
    version: str
    tags: Mapping[str, str]
    value: bytes | None = field(repr=False)
    folder: str = ""  # "" where that was not told
    imported: bool = False

    def entry(self, name: str) -> Entry:
        """Its line in the catalogue. An imported secret's earlier versions cannot be read where it is imported."""
        pinned = {} if self.imported else {str(self.number): self.version}
        return Entry(name, name, {"": self.version, **pinned}, self.tags)

    def fetched(self, hidden: str) -> Fetched:
        """What it holds; `hidden` is the text for one that may not be seen."""
        return PermissionDenied(hidden) if self.value is None else Value(self.value, self.version)


def secrets_in(body: Mapping[str, Any], base: str, asked: str, *, recursive: bool) -> dict[str, Secret]:
    """By name below `base`, what the list of folder `asked` tells. Raises BackendUnavailable where it is not whole.

    A folder's own secret comes before an imported one, a later import before an earlier one, and what an imported
    folder has before what that imports in its turn.
    """
    found: dict[str, Secret] = {}
    for told in _list(body, "secrets"):
        secret = secret_of(told)
        if recursive and not secret.folder:
            raise BackendUnavailable("Infisical does not tell in which folder a secret is: write recursive: false")
        if told.get("type", "shared") != "shared" or not (recursive or secret.folder in ("", asked)):
            continue
        name = named(base, secret.folder or asked, _text(told, "secretKey"))
        if name:
            found.setdefault(name, secret)
    for told in _imported(body):
        name = named(base, asked, _text(told, "secretKey"))
        if name:
            found.setdefault(name, secret_of(told, imported=True))
    return found


def _imported(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if body.get("imports") is None:
        return
    for each in reversed(_list(body, "imports")):  # the last one counts, as in Infisical's own clients
        yield from _list(each, "secrets")


def secret_of(told: Mapping[str, Any], *, imported: bool = False) -> Secret:
    """One secret. Raises BackendUnavailable where it is not whole."""
    number, identity = told.get("version"), _text(told, "id")
    if not isinstance(number, int):
        raise BackendUnavailable("Infisical's answer has a secret without a version")
    value = None if told.get("secretValueHidden") else _text(told, "secretValue").encode()
    digest = HIDDEN if value is None else _digest(identity, value)
    return Secret(number, f"{number}@{digest}", _tags(told), value, told.get("secretPath") or "", imported)


def _digest(identity: str, value: bytes) -> str:
    """What tells a change where the version does not: a value is made of others that it refers to.

    The key is the secret's ID: who sees only Kubernetes does not know it, and cannot try values against a status.
    """
    return hmac.new(identity.encode(), value, hashlib.sha256).digest()[:_DIGEST_BYTES].hex()


def _tags(told: Mapping[str, Any]) -> dict[str, str]:
    """Metadata, but for what is encrypted; and Infisical's tags, which are words without a value."""
    slugs = {slug: "" for each in told.get("tags") or () if isinstance(slug := each.get("slug"), str)}
    metadata = {
        str(each["key"]): str(each.get("value") or "")
        for each in told.get("secretMetadata") or ()
        if each.get("key") and not each.get("isEncrypted")
    }
    return {**slugs, **metadata}


def _text(told: Mapping[str, Any], key: str) -> str:
    found = told.get(key)
    if not isinstance(found, str):
        raise BackendUnavailable(f"Infisical's answer has a secret without {key}")
    return found


def _list(body: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = body.get(key)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise BackendUnavailable(f"Infisical's answer has no {key} in it")
    return found
