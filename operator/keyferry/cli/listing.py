"""What `list` shows: the part of a store's catalogue that a namespace sees, as a table or for machines."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

import yaml

from keyferry.cli.stores import Opened


class Output(StrEnum):
    """How a list is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"  # only keys, as the other commands take them


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """One secret that the store offers."""

    key: str
    namespace: str  # as the backend calls it; empty where the mapping is by names
    name: str
    version: str
    tags: Mapping[str, str]


async def rows(store: Opened) -> list[Row]:
    """What the namespace sees, the nearest where there are several; all that is offered where no namespace is meant."""
    offered = [
        Row(place.key, place.namespace, entry.name, entry.versions.get("", ""), dict(entry.tags))
        for entry in await store.entries(store.mapping.scope())
        if (place := store.mapping.place(entry))
    ]
    offered.sort(key=lambda row: (row.key, row.namespace, row.name))
    return _nearest(offered, store.view) if store.view else offered


def _nearest(offered: Iterable[Row], view: tuple[str, ...]) -> list[Row]:
    seen = [row for row in offered if row.namespace in view]
    distance: dict[str, int] = {}
    for row in seen:
        distance[row.key] = min(distance.get(row.key, len(view)), view.index(row.namespace))
    return [row for row in seen if view.index(row.namespace) == distance[row.key]]


def printed(rows: Iterable[Row], output: Output, *, whole: bool) -> str:
    """The rows as text."""
    match output:
        case Output.TABLE:
            return _table(rows, whole=whole)
        case Output.JSON:
            return json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False) + "\n"
        case Output.YAML:
            return yaml.safe_dump([asdict(row) for row in rows], sort_keys=False, allow_unicode=True)
        case Output.NAME:
            return "".join(f"{shown(row.key)}\n" for row in rows)


def _table(rows: Iterable[Row], *, whole: bool) -> str:
    lines = [["KEY", "NAMESPACE", "NAME", "VERSION", "TAGS"]]
    for row in rows:
        told = (shown(row.key), row.namespace, shown(row.name), row.version, shown_tags(row.tags))
        lines.append([cell or "-" for cell in told])
    if not whole:  # only where there are several is a namespace worth a column
        lines = [[line[0], *line[2:]] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ([f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "".join("  ".join(line).rstrip() + "\n" for line in padded)


def shown(text: str) -> str:
    """The text for a terminal: a backend's names and tags are other people's, and could hold control characters."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def shown_tags(tags: Mapping[str, str]) -> str:
    """Tags in one line."""
    return ", ".join(f"{shown(key)}={shown(value)}" for key, value in sorted(tags.items()))
