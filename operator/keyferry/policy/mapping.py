"""The heart of Keyferry's safety: which external secret answers for a key of a namespace.

Every external secret that a store offers has one *place*: a namespace (as the backend calls it) and a key.
A namespace's *view* is the list of namespaces whose places it sees, the nearest first. What has no place in the view
cannot be read, listed or learnt of through any field of any resource.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from keyferry.api.store import By, MappingTags, SecretStoreSpec, Separator
from keyferry.errors import SpecInvalid
from keyferry.values import Entry, Scope


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an external secret belongs. `namespace` is empty in a store mapped by names."""

    namespace: str
    key: str


class Mapping(Protocol):
    """One of the three ways from a place to an external secret."""

    named: bool  # the name follows from the place, so that no catalogue is needed to find it

    def view(self, hierarchy: tuple[str, ...]) -> tuple[str, ...]:
        """The namespaces whose places are seen by one that is called `hierarchy[0]` and has these ancestors."""

    def place(self, entry: Entry) -> Place | None:
        """Where the entry belongs; None when it is no part of this store."""

    def name(self, place: Place) -> str:
        """The external name of a place, for mappings that are `named`."""

    def scope(self) -> Scope:
        """What of the backend's catalogue can matter."""


@dataclass(frozen=True, slots=True)
class ByNames:
    """The external secret is named prefix + key."""

    prefix: str
    named = True

    def view(self, hierarchy: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG002 - all namespaces see the same
        return ("",)

    def place(self, entry: Entry) -> Place | None:
        key = entry.name.removeprefix(self.prefix)
        return Place("", key) if key and entry.name.startswith(self.prefix) else None

    def name(self, place: Place) -> str:
        return self.prefix + place.key

    def scope(self) -> Scope:
        return Scope(name_prefix=self.prefix)


@dataclass(frozen=True, slots=True)
class ByPaths:
    """The external secret is named prefix, namespace and key, joined by the separator."""

    prefix: str
    separator: str
    inherit: bool
    named = True

    @property
    def _root(self) -> str:
        return self.prefix + self.separator if self.prefix else ""

    def view(self, hierarchy: tuple[str, ...]) -> tuple[str, ...]:
        return hierarchy if self.inherit else hierarchy[:1]

    def place(self, entry: Entry) -> Place | None:
        if not entry.name.startswith(self._root):
            return None
        namespace, _, key = entry.name.removeprefix(self._root).partition(self.separator)
        return Place(namespace, key) if namespace and key else None

    def name(self, place: Place) -> str:
        return f"{self._root}{place.namespace}{self.separator}{place.key}"

    def scope(self) -> Scope:
        return Scope(name_prefix=self._root)


@dataclass(frozen=True, slots=True)
class ByTags:
    """The external secret is tagged with prefix, namespace and key, whatever its own name is."""

    prefix: str
    tags: MappingTags
    inherit: bool
    named = False

    def view(self, hierarchy: tuple[str, ...]) -> tuple[str, ...]:
        return hierarchy if self.inherit else hierarchy[:1]

    def place(self, entry: Entry) -> Place | None:
        # A backend filters on tag keys and tag values apart from each other; only here the pairs are checked.
        # No prefix means none: what another installation tagged with its own is not ours.
        if entry.tags.get(self.tags.prefix, "") != self.prefix:
            return None
        namespace, key = entry.tags.get(self.tags.namespace), entry.tags.get(self.tags.key)
        return Place(namespace, key) if namespace and key else None

    def name(self, place: Place) -> str:
        raise AssertionError(f"a mapping by tags knows no name for {place}")

    def scope(self) -> Scope:
        mine = {self.tags.prefix: self.prefix} if self.prefix else {}
        return Scope(tags={self.tags.namespace: "", self.tags.key: "", **mine})

    def marks(self, place: Place) -> dict[str, str]:
        """The tags that put an external secret into this place."""
        marks = {self.tags.namespace: place.namespace, self.tags.key: place.key}
        return {**marks, self.tags.prefix: self.prefix} if self.prefix else marks


def mapping_of(spec: SecretStoreSpec, *, cluster: bool) -> ByNames | ByPaths | ByTags:
    """The store's mapping: what the spec says, else Names for a team's own store, Tags or Paths for a shared one."""
    tags = spec.mapping.tags or MappingTags()
    separator = spec.mapping.separator or Separator(spec.provider.separator)
    shared = By.TAGS if spec.provider.tagged else By.PATHS
    match spec.mapping.by or (shared if cluster else By.NAMES):
        case By.NAMES:
            return ByNames(spec.prefix)
        case By.PATHS:
            return ByPaths(spec.prefix, separator.value, spec.mapping.inherit)
        case By.TAGS:
            return ByTags(spec.prefix, tags, spec.mapping.inherit)


def checked_key(key: str) -> str:
    """The key itself. Raises SpecInvalid where a backend with paths could be led out of the mapping by it."""
    if any(part in (".", "..") for part in key.split("/")):
        raise SpecInvalid(f"key {key!r}: write it without the parts . and .. (such as app/db)")
    if not key.isprintable():
        raise SpecInvalid(f"key {key!r}: write it without control characters")
    return key


def places(mapping: Mapping, hierarchy: tuple[str, ...], key: str) -> Iterator[Place]:
    """Where a key may be found, the nearest first. Raises SpecInvalid for a key that leads elsewhere."""
    checked_key(key)
    return (Place(namespace, key) for namespace in mapping.view(hierarchy))
