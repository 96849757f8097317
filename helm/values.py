"""The table of values in the chart's README, from the comments of values.yaml. `--write` writes it, `--check` looks.

A comment belongs to the key below it, and every key has one.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml
from generated import keep

CHART = Path(__file__).parent / "keyferry"
START, END = "<!-- generated from values.yaml -->\n", "<!-- end -->\n"
KEY = re.compile(r"(?P<indent> *)(?P<name>[A-Za-z]+):(?P<rest>.*)")


def rows(text: str) -> Iterator[tuple[str, object, str]]:
    """Every value as its path, its default, and what its comment says."""
    values = yaml.safe_load(text)
    path: list[str] = []
    said: list[str] = []
    for line in text.splitlines():
        if line.strip().startswith("#"):
            said.append(line.strip().lstrip("# "))
            continue
        if found := KEY.fullmatch(line):
            path = [*path[: len(found["indent"]) // 2], found["name"]]
            default = _at(values, path)
            if not isinstance(default, dict) or found["rest"].strip():
                if not said:
                    sys.exit(f"values.yaml says nothing about {'.'.join(path)}: write a comment above it")
                yield ".".join(path), default, " ".join(said)
        said = []


def _at(values: object, path: list[str]) -> object:
    for name in path:
        assert isinstance(values, dict)
        values = values[name]
    return values


def table() -> str:
    """The table as Markdown."""
    lines = ["| value | default | what it does |", "| --- | --- | --- |"]
    for path, default, said in rows((CHART / "values.yaml").read_text()):
        shown = json.dumps(default, ensure_ascii=False).replace("|", "\\|")
        lines.append(f"| `{path}` | `{shown}` | {_escaped(said)} |")
    return "\n".join(lines) + "\n"


def _escaped(said: str) -> str:
    return said.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def page() -> str:
    """The README with its table renewed."""
    before, _, rest = (CHART / "README.md").read_text().partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}{table()}{END}{after}"


if __name__ == "__main__":
    keep(CHART / "README.md", page(), __doc__)
