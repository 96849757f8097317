"""The example of the page of concepts, computed anew from its own tables."""

import re
from pathlib import Path

import pytest

from keyferry.api.store import MappingTags
from keyferry.policy.mapping import ByNames, ByPaths, ByTags, Mapping, places
from keyferry.policy.search import matcher
from keyferry.values import Entry, Search

PAGE = Path(__file__).resolve().parents[3] / "docs" / "concepts.md"
EXAMPLE = PAGE.read_text().partition("### An example\n")[2].partition("\n## ")[0]
MAPPINGS: dict[str, Mapping] = {
    "by `Names`": ByNames("acme/"),
    "by `Paths`": ByPaths("acme", "/", inherit=True),
    "by `Tags`": ByTags("acme", MappingTags(), inherit=True),
}
NUMBERS = {"one": 1, "two": 2, "three": 3, "nothing": 0}


def table(number: int) -> list[list[str]]:
    """The cells of one of its tables, the head's first."""
    block = re.findall(r"(?:^\|.*\|\n)+", EXAMPLE, re.MULTILINE)[number]
    lines = [line.strip("| ").split(" | ") for line in block.splitlines() if not line.startswith("| ---")]
    return [[cell.strip(" |") for cell in line] for line in lines]


def entries() -> list[Entry]:
    return [
        Entry(f"id:{name}", name.strip("`"), {"": "1"}, dict(re.findall(r"(\w+)=(\w+)", " ".join(tags))))
        for name, *tags in table(0)[1:]
    ]


def answered(mapping: Mapping, namespace: str, key: str) -> str:
    """The external name of what answers for a key."""
    wanted = set(places(mapping, (namespace,), key))
    (found,) = [entry.name for entry in entries() if mapping.place(entry) in wanted] or [""]
    return found


def found(mapping: Mapping, namespace: str) -> int:
    """How many secrets a search for everything finds."""
    matches = matcher(Search(regexp="."))
    seen = [place for entry in entries() if (place := mapping.place(entry))]
    return len([place for place in seen if place.namespace in mapping.view((namespace,)) and matches(place.key, {})])


CELLS = [(line[0], how, cell) for line in table(1)[1:] for how, cell in zip(table(1)[0][1:], line[1:], strict=True)]


def test_the_example_is_whole():
    assert [len(entries()), len(CELLS)] == [5, 15]


@pytest.mark.parametrize(("asks", "how", "cell"), CELLS, ids=lambda text: text.replace("`", ""))
def test_what_the_page_says_is_what_the_mapping_gives(asks: str, how: str, cell: str):
    namespace, *key = re.findall(r"`([^`]+)`", asks.partition(" (")[0])
    if key:
        said = "" if cell.startswith("nothing") else cell.strip("`")
        assert answered(MAPPINGS[how], namespace, key[0]) == said
    else:
        assert found(MAPPINGS[how], namespace) == NUMBERS[cell]
