"""What `put` and `delete` do: which external secret a key means, which tags it gets, and one write."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import typer

from keyferry.backends.base import Namer, Restorer, Writer
from keyferry.cli.comparing import differences
from keyferry.cli.stores import Opened
from keyferry.errors import SecretAmbiguous, SecretMissing, SpecInvalid
from keyferry.policy.mapping import ByTags, Place
from keyferry.values import Entry, Ref, Scope, Value

CREATED = {"managed-by": "keyferry"}  # the tag of what Keyferry has created
_TAG = re.compile(r"(?P<key>[^=]{1,128})=(?P<value>.{0,256})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TagChanges:
    """What the caller wants of the tags."""

    given: Mapping[str, str]
    removed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Overwrite:
    """What a put is about to change of a secret that is there."""

    name: str
    ours: bool  # Keyferry created it
    changes: tuple[str, ...] | None  # as `comparing` has them; None: the login may not read it


@dataclass(frozen=True, slots=True)
class Written:
    """What there is now."""

    name: str
    version: str
    tags: Mapping[str, str]
    new: bool = True  # False: it was so already, and nothing was written


def tag_changes(options: Iterable[str]) -> TagChanges:
    """The options as changes. Raises BadParameter for what is none."""
    given, removed = {}, set()
    for option in options:
        if match := _TAG.fullmatch(option):
            given[match["key"]] = match["value"]
        elif len(option) > 1 and option.endswith("-") and "=" not in option:
            removed.add(option[:-1])
        else:
            raise typer.BadParameter(
                f"--tag {option!r}: write key=value with at most 128 and 256 characters, or key- to take it away"
            )
    return TagChanges(given, frozenset(removed))


async def put(
    store: Opened, key: str, data: bytes, changes: TagChanges, sure: Callable[[Overwrite], bool]
) -> Written | None:
    """Write the value to where the key of the namespace belongs. None when the caller was not sure."""
    writer = _writer(store)
    place = store.place(key)
    there = await _claiming(store, place)
    if there is None:
        created = CREATED if writer.tagged else {}
        name, tags = await _free_name(store, place), tags_after(store, place, created, changes)
        return Written(name, await writer.put(name, data, tags), tags)
    tags = tags_after(store, place, there.tags, changes)
    before = (await store.backend.fetch([ref := Ref(there.id)]))[ref]
    if isinstance(before, Value) and before.data == data and dict(there.tags) == tags:
        return Written(there.name, before.version, tags, new=False)
    differing = tuple(differences(before.data, data)) if isinstance(before, Value) else None
    if not sure(Overwrite(there.name, CREATED.items() <= there.tags.items(), differing)):
        return None
    return Written(there.name, await writer.put(there.name, data, tags), tags)


async def delete(store: Opened, key: str, sure: Callable[[str], bool]) -> str | None:
    """The name of what was deleted; None when the caller was not sure."""
    writer = _writer(store)
    there = await _claiming(store, store.place(key))
    if there is None:
        raise SecretMissing(f"{store.key} has no secret for key {key!r}")
    if not sure(there.name):
        return None
    await writer.delete(there.name)
    return there.name


async def restore(store: Opened, key: str, name: str) -> Written:
    """Take back the deletion of what belonged to the key; `name` is its external name, where that does not follow."""
    if not isinstance(store.backend, Restorer):
        raise SpecInvalid(f"{store.key}: what was deleted from {store.spec.provider.name} cannot be restored")
    place = store.place(key)
    there = await _claiming(store, place)  # some backends go on to list what was deleted, without a value
    if there and "" in there.versions:
        raise SpecInvalid(f"{store.key} has a secret for key {key!r}: there is nothing to restore")
    usual = _usual_name(store, place) if isinstance(store.mapping, ByTags) else store.mapping.name(place)
    meant = there.name if there else name or usual
    version = await store.backend.restore(meant)
    restored = await _claiming(store, place)
    if restored is None or restored.name != meant:
        raise SpecInvalid(f"{meant} is restored, but its tags or its name say that it is not key {key!r}")
    return Written(meant, version, restored.tags)


def tags_after(store: Opened, place: Place, before: Mapping[str, str], changes: TagChanges) -> dict[str, str]:
    """The tags that a put leaves: those before, the store's, the caller's, the mapping's; the later one counts."""
    marks = store.mapping.marks(place) if isinstance(store.mapping, ByTags) else {}
    if taken := sorted((changes.given.keys() | changes.removed) & marks.keys()):
        raise SpecInvalid(f"tag {taken[0]!r} says whose the secret is: {store.key} sets it by its mapping")
    kept = {key: value for key, value in before.items() if key not in changes.removed}
    return {**kept, **store.spec.default_tags, **changes.given, **marks}


async def _claiming(store: Opened, place: Place) -> Entry | None:
    """The secret at this place. Raises SecretAmbiguous when there are two."""
    scope = store.mapping.scope() if isinstance(store.mapping, ByTags) else Scope(name_prefix=store.mapping.name(place))
    claims = [entry for entry in await store.entries(scope) if store.mapping.place(entry) == place]
    if unclear := next((entry for entry in claims if entry.unclear), None):
        raise SecretAmbiguous(f"key {place.key!r}: {unclear.name}: {unclear.unclear}")
    if len(claims) > 1:
        names = " and ".join(sorted(entry.name for entry in claims)[:3])
        raise SecretAmbiguous(f"key {place.key!r}: {names} claim the same prefix, namespace and key: retag all but one")
    return claims[0] if claims else None


async def _free_name(store: Opened, place: Place) -> str:
    """The name of a secret that is yet to be made."""
    if not isinstance(store.mapping, ByTags):
        return store.mapping.name(place)
    name = _usual_name(store, place)
    if any(entry.name == name for entry in await store.entries(Scope(name_prefix=name))):
        raise SpecInvalid(
            f"{store.key}: a secret {name!r} is there already, and its tags say that it belongs elsewhere: retag it, "
            "or delete it with the backend's own means"
        )
    return name


def _usual_name(store: Opened, place: Place) -> str:
    """What a secret is called that Keyferry makes, where tags and not names say whose it is."""
    parts = [part for part in (store.spec.prefix, place.namespace, place.key) if part]
    return store.backend.name_of(parts) if isinstance(store.backend, Namer) else "/".join(parts)


def _writer(store: Opened) -> Writer:
    if isinstance(store.backend, Writer):
        return store.backend
    raise SpecInvalid(
        f"{store.key}: Keyferry can only read from {store.spec.provider.name}; write there with its own means"
    )
