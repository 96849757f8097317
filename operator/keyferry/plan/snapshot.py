"""A backend's catalogue, sorted by the places that a store's mapping gives its entries."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from keyferry.policy.mapping import Mapping as StoreMapping
from keyferry.policy.mapping import Place
from keyferry.values import Entry


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The catalogue as it was, by the places that the mapping gives its entries."""

    started: float  # the loop's time: what changed before is in it
    places: Mapping[str, Mapping[str, tuple[Entry, ...]]]  # namespace -> key -> who claims the place
    ids: frozenset[str] = frozenset()  # every external secret that is offered
    versioned: bool = True  # whether it tells which versions are there, so that it shows a rotation

    @classmethod
    def of(cls, entries: Iterable[Entry], mapping: StoreMapping, *, started: float) -> "Snapshot":
        """Sort entries by their places; what has none is no part of the store."""
        places: defaultdict[str, defaultdict[str, tuple[Entry, ...]]] = defaultdict(lambda: defaultdict(tuple))
        ids: set[str] = set()
        versioned = True
        for entry in entries:
            if place := mapping.place(entry):
                places[place.namespace][place.key] += (entry,)
                ids.add(entry.id)
                versioned = versioned and entry.versions.get("") != ""
        return cls(started, {namespace: dict(keys) for namespace, keys in places.items()}, frozenset(ids), versioned)

    def at(self, place: Place) -> tuple[Entry, ...]:
        """Who claims the place; more than one is an error of whoever tagged them."""
        return self.places.get(place.namespace, {}).get(place.key, ())

    def marks(self) -> dict[Place, int]:
        """For each place a mark that changes with what is there: identities, names, versions and tags."""
        return {
            Place(namespace, key): hash(tuple(_seen(entry) for entry in claims))
            for namespace, keys in self.places.items()
            for key, claims in keys.items()
        }


def _seen(entry: Entry) -> tuple[object, ...]:
    return entry.id, entry.name, frozenset(entry.versions.items()), frozenset(entry.tags.items())


def differing(before: Mapping[Place, int], after: Mapping[Place, int]) -> frozenset[Place]:
    """The places whose marks are not the same."""
    return frozenset(place for place in before.keys() | after.keys() if before.get(place) != after.get(place))
