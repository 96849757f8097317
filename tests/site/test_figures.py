"""What other pages quote of the benchmarks is what the benchmarks say, as far as two runs of them agree."""

import re
from pathlib import Path

import pytest
import yaml

DOCS = Path(__file__).resolve().parents[2] / "docs"
VALUES = (DOCS.parent / "helm" / "keyferry" / "values.yaml").read_text()
BENCHMARKS = (DOCS / "benchmarks.md").read_text()
NEAR = 0.1
FIRST = "all in sync, from when the operator is ready"
MEMORY = "resident after the first sync"


def measured(size: str, what: str) -> float:
    """A figure of the benchmarks, of a run with so many ExternalSecrets."""
    part = BENCHMARKS.partition(f"\n## {size} ExternalSecrets\n")[2].partition("\n## ")[0]
    return number(next(line.split("|")[3] for line in part.splitlines() if f"| {what} |" in line))


def quoted(page: str, row: str, column: int) -> float:
    """What a page has in the column of a row, counted from 0; -1 is the last."""
    line = next(line for line in (DOCS / page).read_text().splitlines() if line.startswith(f"| {row} |"))
    return number(line.split("|")[1:-1][column])


def number(cell: str) -> float:
    found = re.search(r"[\d.,]+", cell)
    assert found, cell
    return float(found[0].replace(",", ""))


@pytest.mark.parametrize(
    ("size", "what", "page", "row", "column"),
    [
        ("1,000", FIRST, "comparison.md", "first sync", -1),
        ("1,000", MEMORY, "comparison.md", "memory after it", -1),
        (
            "1,000",
            "calls for the catalogue in a refresh",
            "comparison.md",
            "backend calls at each refresh, nothing changed",
            -1,
        ),
        (
            "1,000",
            "CPU of the operator for one ExternalSecret and refresh",
            "comparison.md",
            "CPU for one refresh of one ExternalSecret, nothing changed",
            -1,
        ),
        ("1,000", MEMORY, "operations.md", "1,000", 1),
        ("1,000", FIRST, "operations.md", "1,000", 2),
        ("10,000", MEMORY, "operations.md", "10,000", 1),
        ("10,000", FIRST, "operations.md", "10,000", 2),
    ],
)
def test_a_figure_is_that_of_the_benchmarks(size, what, page, row, column):
    assert quoted(page, row, column) == pytest.approx(measured(size, what), rel=NEAR)


def test_the_calls_of_a_first_sync_are_those_of_the_benchmarks():
    values, catalogue = (measured("1,000", f"calls for {what}") for what in ("values", "the catalogue"))
    row = re.search(r"^\| backend calls for it \|.*\| (.*) \|$", (DOCS / "comparison.md").read_text(), re.MULTILINE)
    assert row
    assert row[1] == f"{values + catalogue:.0f}: {values:.0f} for values, {catalogue:.0f} for the catalogue"


def test_the_comparison_says_when_the_benchmarks_were_made():
    days = re.findall(r"^Measured on ([\d-]+) with", BENCHMARKS, re.MULTILINE)
    assert f"[benchmarks](benchmarks.md), {days[-1]}," in (DOCS / "comparison.md").read_text()


def test_the_charts_requests_and_limits_are_from_the_measured_memory():
    """It asks for what a thousand take, and is ended only at well above what ten thousand do."""
    memory = {kind: number(each["memory"]) for kind, each in yaml.safe_load(VALUES)["resources"].items()}
    (said,) = re.findall(r"some (\d+) MiB for 1,000 ExternalSecrets", VALUES)

    assert float(said) == pytest.approx(measured("1,000", MEMORY), rel=NEAR)
    assert measured("1,000", MEMORY) <= memory["requests"] <= 1.5 * measured("1,000", MEMORY)
    assert memory["limits"] >= 1.5 * measured("10,000", MEMORY)
