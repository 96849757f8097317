"""Server-side apply of a Secret, as far as Keyferry depends on it: who owns which field, conflicts, what is dropped."""

import base64
import copy
import re
from typing import Any

Path = tuple[str, ...]
LARGEST = 1024 * 1024
_KEY = re.compile(r"[-._a-zA-Z0-9]+")


class Conflicted(Exception):
    """Other managers own fields that would change."""

    def __init__(self, conflicts: list[tuple[str, Path]]) -> None:
        super().__init__(conflicts)
        self.conflicts = conflicts


class Refused(Exception):
    """The object as it would be breaks a rule; the text names the field."""


def applied(
    live: dict[str, Any] | None, wanted: dict[str, Any], owners: dict[str, set[Path]], manager: str, *, force: bool
) -> dict[str, Any]:
    """The object after an apply; `owners` is brought up to date. `live` is left as it is."""
    now, new = _fields(live or {}), _fields(wanted)
    others = {path for name, paths in owners.items() if name != manager for path in paths}
    taken = {path for path in new if path in others and now.get(path) != new[path]}
    if taken and not force:
        raise Conflicted(
            [(name, path) for name in sorted(owners) for path in sorted(owners[name] & taken) if name != manager]
        )
    dropped = owners.get(manager, set()) - set(new) - others
    made = {path: value for path, value in now.items() if path not in dropped} | new
    _check(live, now, made)
    for name in owners:
        owners[name] -= taken
    owners[manager] = set(new)
    return _object(live or {}, made)


def owned_by_hand(old: dict[str, Any], made: dict[str, Any], owners: dict[str, set[Path]]) -> None:
    """Bring `owners` up to date after somebody edited the object: what they changed is theirs."""
    before, after = _fields(old), _fields(made)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    for name in owners:
        owners[name] -= changed
    owners["by-hand"] = owners.get("by-hand", set()) | (changed & after.keys())


def _check(live: dict[str, Any] | None, now: dict[Path, Any], made: dict[Path, Any]) -> None:
    if live and made.get(("type",), "Opaque") != now.get(("type",), "Opaque"):
        raise Refused("type")
    if now.get(("immutable",)) and made != now and _data(made) != _data(now):
        raise Refused("data")
    if sum(len(base64.b64decode(text)) for text in _data(made).values()) > LARGEST:
        raise Refused("data")
    for key in _data(made):
        if not _KEY.fullmatch(key) or key == "." or key.startswith("..") or len(key) > 253:
            raise Refused(f"data[{key}]")


def _data(fields: dict[Path, Any]) -> dict[str, str]:
    return {path[1]: value for path, value in fields.items() if path[0] == "data"}


def _fields(obj: dict[str, Any]) -> dict[Path, Any]:
    """The leaves that somebody can own."""
    metadata = obj.get("metadata") or {}
    fields: dict[Path, Any] = {(part,): obj[part] for part in ("type", "immutable") if part in obj}
    fields |= {("data", key): value for key, value in (obj.get("data") or {}).items()}
    for part in ("labels", "annotations"):
        fields |= {("metadata", part, key): value for key, value in (metadata.get(part) or {}).items()}
    owners = metadata.get("ownerReferences") or ()
    return fields | {("metadata", "ownerReferences", owner["uid"]): owner for owner in owners}


def _object(live: dict[str, Any], fields: dict[Path, Any]) -> dict[str, Any]:
    made = copy.deepcopy({part: value for part, value in live.items() if part not in ("type", "immutable", "data")})
    metadata = made.setdefault("metadata", {})
    for part in ("labels", "annotations", "ownerReferences"):
        metadata.pop(part, None)
    made |= {"data": _data(fields)} | {path[0]: value for path, value in fields.items() if len(path) == 1}
    for path, value in fields.items():
        if path[1:2] == ("ownerReferences",):
            metadata.setdefault("ownerReferences", []).append(value)
        elif path[0] == "metadata":
            metadata.setdefault(path[1], {})[path[2]] = value
    return made
