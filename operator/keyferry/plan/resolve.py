"""From what a namespace asks for to the entries of a snapshot that answer. Pure."""

from collections.abc import Iterable

from keyferry.errors import SecretAmbiguous, SecretMissing, SyncError
from keyferry.plan.snapshot import Snapshot
from keyferry.policy.mapping import Mapping as StoreMapping
from keyferry.policy.mapping import Place, places
from keyferry.policy.search import matcher
from keyferry.values import Entry, Found, Lookup, Ref, Search


def resolve(snapshot: Snapshot, mapping: StoreMapping, lookup: Lookup, hierarchy: tuple[str, ...]) -> Found | SyncError:
    """The one entry that answers for a key: the nearest place that somebody claims, if only one does."""
    try:
        candidates = list(places(mapping, hierarchy, lookup.key))
    except SyncError as refused:
        return refused
    for place in candidates:
        if claims := snapshot.at(place):
            return _only(claims, place) or _found(mapping, claims[0], lookup)
    return missing(lookup.key, hierarchy)


def search(
    snapshot: Snapshot, mapping: StoreMapping, wanted: Search, hierarchy: tuple[str, ...]
) -> tuple[Found, ...] | SyncError:
    """Every entry that matches and answers for a key of the namespace, by key: of two with one key only the nearer."""
    try:
        matches = matcher(wanted)
    except SyncError as refused:
        return refused
    found: dict[str, Found] = {}
    nearer: set[str] = set()  # keys that are claimed there, so that the farther cannot be read by them
    for namespace in mapping.view(hierarchy):
        here = snapshot.places.get(namespace, {})
        for key, claims in here.items():
            if key in nearer or not any(matches(key, entry.tags) for entry in claims):
                continue
            if (problem := _only(claims, Place(namespace, key))) is not None:
                return problem
            if "" in claims[0].versions:  # made, but given no value yet: nothing to find
                found[key] = Found(key, _ref(mapping, claims[0]), claims[0].versions[""])
        nearer |= here.keys()
    return tuple(found[key] for key in sorted(found))


def missing(key: str, hierarchy: Iterable[str]) -> SecretMissing:
    """The answer for a key that the mapping gives this namespace no secret for."""
    called = next(iter(hierarchy))
    return SecretMissing(f"key {key!r}: the store has no such secret for this namespace (called {called!r} there)")


def _only(claims: tuple[Entry, ...], place: Place) -> SecretAmbiguous | None:
    if unclear := next((entry for entry in claims if entry.unclear), None):
        return SecretAmbiguous(f"key {place.key!r}: {unclear.name}: {unclear.unclear}")
    if len(claims) == 1:
        return None
    names = " and ".join(sorted(entry.name for entry in claims)[:3])
    return SecretAmbiguous(f"key {place.key!r}: {names} claim the same prefix, namespace and key: retag all but one")


def _ref(mapping: StoreMapping, entry: Entry, version: str = "") -> Ref:
    # By name where the name is what the mapping goes by, so that a direct read and a sweep agree on the identity.
    return Ref(entry.name if mapping.named else entry.id, version)


def _found(mapping: StoreMapping, entry: Entry, lookup: Lookup) -> Found | SyncError:
    version = entry.versions.get(lookup.version, "")
    if not version and not lookup.version and "" not in entry.versions:
        return SecretMissing(f"key {lookup.key!r}: {entry.name} has no value yet, or none any more")
    return Found(lookup.key, _ref(mapping, entry, lookup.version), version)
