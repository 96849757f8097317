"""What a Secret was made of, as its status keeps it: enough to tell that nothing changed without reading a value."""

import hashlib
import json
from collections.abc import Iterable

from keyferry.api.external_secret import Source
from keyferry.api.store import SecretStoreSpec
from keyferry.errors import SyncError
from keyferry.values import Looked, Lookup, Search

LISTED = 20  # more sources than this are kept as one digest


def sources(looked: Looked) -> tuple[Source, ...]:
    """Every external secret that was found, and the keys that were missing (with no version), in a stable order."""
    listed: set[tuple[str, str, str]] = set()
    for asked, answer in looked.items():
        if not isinstance(answer, SyncError):
            listed |= {(found.key, found.ref.id, _version(asked, found.version)) for found in answer}
        elif isinstance(asked, Lookup):
            listed.add((asked.key, "", ""))
    return tuple(Source(key=key, id=id_, version=version) for key, id_, version in sorted(listed))


def _version(asked: Lookup | Search, version: str) -> str:
    """The version found; with the label that was asked for, since one key may be asked for at several."""
    return f"{asked.version}={version}" if isinstance(asked, Lookup) and asked.version else version


def kept(listed: tuple[Source, ...]) -> tuple[tuple[Source, ...], str | None]:
    """What the status holds: the list, or a digest of a long one. Keys and versions are no secrets."""
    if len(listed) <= LISTED:
        return listed, None
    return (), digest([source.key, source.id, source.version] for source in listed)


def revision(spec: SecretStoreSpec, uid: str, called: str) -> str:
    """A digest of what decides which external secret a key means: another store, address, mapping or namespace name."""
    return digest([uid, called, looks_at(spec)])


def looks_at(spec: SecretStoreSpec) -> dict[str, object]:
    """The part of a store's spec that decides what there is to be seen. Who hints at changes has no part in it."""
    part = spec.model_dump(mode="json", include={"provider", "prefix", "mapping"}, exclude_none=True)
    for provider in part["provider"].values():
        provider.pop("events", None)
    return part


def digest(parts: Iterable[object]) -> str:
    """A short, stable digest of plain data."""
    text = json.dumps(list(parts), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
