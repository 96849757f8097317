"""What was last seen of the cluster, so that a reconciliation reads no API server. One event loop owns it.

Secrets are kept as metadata only. Indexes answer who depends on what: they are what makes a change arrive at once.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from keyferry.kube.client import Json
from keyferry.kube.reach import Reach
from keyferry.kube.secrets import SecretMeta
from keyferry.settings import REFRESH_ANNOTATION
from keyferry.values import Key, StoreKey

K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Hashable)


class Index(Generic[K, V]):
    """From what is depended on to those who depend on it."""

    def __init__(self) -> None:
        self._dependents: dict[K, set[V]] = defaultdict(set)
        self._sources: dict[V, frozenset[K]] = {}

    def put(self, dependent: V, sources: Iterable[K]) -> None:
        """Say anew what `dependent` depends on; nothing forgets it."""
        for gone in self._sources.pop(dependent, frozenset()):
            self._dependents[gone].discard(dependent)
            if not self._dependents[gone]:
                del self._dependents[gone]
        if new := frozenset(sources):
            self._sources[dependent] = new
            for source in new:
                self._dependents[source].add(dependent)

    def of(self, source: K) -> frozenset[V]:
        """Who depends on it."""
        return frozenset(self._dependents.get(source, ()))

    def sources(self, dependent: V) -> frozenset[K]:
        """What it depends on."""
        return self._sources.get(dependent, frozenset())


class Deletions:
    """Deletions that watches tell of while a list is being read: what the list then still shows is no more."""

    def __init__(self) -> None:
        self._ears: list[set[str]] = []

    @contextmanager
    def heard(self) -> Iterator[set[str]]:
        """The uids of what goes from now on."""
        ear: set[str] = set()
        self._ears.append(ear)
        try:
            yield ear
        finally:
            self._ears = [each for each in self._ears if each is not ear]

    def tell(self, uid: str) -> None:
        """This object is no more."""
        for ear in self._ears:
            ear.add(uid)


@dataclass(slots=True)
class Watched:
    """Objects by key as plain JSON (spec, status and the metadata that matters), and who depends on what."""

    reach: Reach = field(default_factory=Reach)
    external_secrets: dict[Key, Json] = field(default_factory=dict)
    stores: dict[StoreKey, Json] = field(default_factory=dict)
    namespaces: dict[str, Json] = field(default_factory=dict)
    secrets: dict[Key, SecretMeta] = field(default_factory=dict)

    by_store: Index[StoreKey, Key] = field(default_factory=Index)  # ExternalSecrets of a store
    by_namespace: Index[str, Key] = field(default_factory=Index)  # ExternalSecrets in a namespace
    by_target: Index[Key, Key] = field(default_factory=Index)  # ExternalSecrets that write a Secret
    by_owner: Index[Key, Key] = field(default_factory=Index)  # Secrets that an ExternalSecret made
    by_credential: Index[Key, StoreKey] = field(default_factory=Index)  # stores that log in with a Secret

    def outdated(self, used: Mapping[Key, str]) -> bool:
        """Whether one of these Secrets is no longer at the version that was read; "" is none at all."""
        return any(_changed(read, self.secrets.get(key)) for key, read in used.items())


def _changed(read: str, seen: SecretMeta | None) -> bool:
    """Whether a Secret is another than when it was read. What the watch tells may still be older than what was read."""
    if seen is None:
        return bool(read)
    return not read or int(seen.resource_version) > int(read)


def trimmed(body: Json) -> Json:
    """An object without what nobody here reads: managed fields and other people's annotations can be large."""
    metadata = body["metadata"]
    annotations = {name: text for name, text in (metadata.get("annotations") or {}).items() if "keyferry.dev/" in name}
    kept = {
        name: metadata[name]
        for name in ("name", "namespace", "uid", "generation", "resourceVersion", "labels")
        if name in metadata
    }
    return {
        "metadata": {**kept, "annotations": annotations},
        **{part: body[part] for part in ("spec", "status") if part in body},
    }


def asked(body: Json) -> tuple[Any, ...]:
    """What of our own resources somebody else decides: another answer is work to do."""
    metadata = body["metadata"]
    return metadata["uid"], metadata["generation"], (metadata.get("annotations") or {}).get(REFRESH_ANNOTATION)


def newer(body: Json, known: Json) -> bool:
    """Whether an object was seen later, it or a namesake. Our own writes are known before a watch tells of them."""
    return int(body["metadata"]["resourceVersion"]) > int(known["metadata"]["resourceVersion"])


def noted(objects: dict[K, Json], key: K, written: Json) -> None:
    """Remember an object as our own write left it, unless that write met an edit: the watch must tell of that."""
    known = objects.get(key)
    if known and asked(known) == asked(written) and newer(written, known):
        objects[key] = trimmed(written)
