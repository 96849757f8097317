"""What a new value changes of the old one: by the names of its parts, never by what they hold. Pure."""

import json
from typing import Any

from keyferry.cli.listing import shown


def differences(before: bytes, after: bytes) -> list[str]:
    """A line for each key of a JSON object that comes (+), goes (-) or holds something else (~); none for the same.

    Where one of them is no JSON object, there is one line that says that the value is another.
    """
    if before == after:
        return []
    old, new = _members(before), _members(after)
    if old is None or new is None:
        return [f"~ the value is another ({len(before)} bytes before, {len(after)} now)"]
    other = {name for name in old.keys() & new.keys() if old[name] != new[name]}
    names = sorted((old.keys() ^ new.keys()) | other)
    same = ["~ the same keys and values, written otherwise"]
    return [f"{_sign(name, old, new)} {shown(name)}" for name in names] or same


def _sign(name: str, old: dict[str, Any], new: dict[str, Any]) -> str:
    if name not in old:
        return "+"
    return "~" if name in new else "-"


def _members(data: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
