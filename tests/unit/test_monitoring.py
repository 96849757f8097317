"""What watches over Keyferry asks only for what it exports, and whoever is called has a page to read."""

import re
from pathlib import Path

import pytest

from tests.monitoring.expressions import asked, metrics, panels
from tests.monitoring.rules import rules
from tests.unit import exported

RUNBOOKS = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
ALERTS = [pytest.param(rule, id=rule["alert"]) for rule in rules()]
CHAPTERS = ["What it means", "What users see", "How to find out", "What to do", "When it is harmless"]
QUESTIONS = [
    "Is everything in sync?",
    "What is failing, and why?",
    "How stale is what?",
    "What does each backend cost?",
    "What would an hour's outage do?",
]


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('sum by (store) (rate(a_total{b="c d"}[5m])) > 0.5 * max(e)', {"a_total", "e"}),
        ("a unless on (x, y) b or vector(0)", {"a", "b"}),
        ("histogram_quantile(0.99, sum by (le) (rate(c_bucket[5m])))", {"c_bucket"}),
    ],
)
def test_the_names_in_an_expression_are_found(expression, names):
    assert metrics(expression) == names


@pytest.mark.parametrize("rule", ALERTS)
def test_an_alert_asks_only_for_what_is_exported(rule):
    assert metrics(rule["expr"])
    assert metrics(rule["expr"]) - exported.series() == set()


@pytest.mark.parametrize("rule", ALERTS)
def test_an_alert_has_a_page_with_what_whoever_is_called_needs(rule):
    page = rule["annotations"]["runbook_url"].removeprefix("docs/runbooks/")
    text = (RUNBOOKS / page).read_text()
    assert page == f"{rule['alert']}.md"
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == CHAPTERS
    assert rule["labels"]["severity"] in text or "{{" in rule["labels"]["severity"]


def test_there_is_no_page_without_an_alert():
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {rule["alert"] for rule in rules()} | {"README"}


def test_the_index_of_the_pages_names_each():
    named = re.findall(r"\[(\w+)\]\((\w+)\.md\)", (RUNBOOKS / "README.md").read_text())
    assert named == [(rule["alert"], rule["alert"]) for rule in rules()]


def test_a_panel_asks_only_for_what_is_exported():
    strange = {title: metrics(expression) - exported.series() for title, expression in asked()}
    assert len(strange) > 20
    assert {title: names for title, names in strange.items() if names} == {}


def test_the_dashboard_answers_five_questions():
    assert [panel["title"] for panel in panels() if panel["type"] == "row"] == QUESTIONS


SHOWN = [panel for panel in panels() if panel["type"] != "row"]
UNITS = {"short", "s", "reqps", "percentunit"}


@pytest.mark.parametrize("panel", SHOWN, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows_and_in_what_unit(panel):
    assert len(panel["description"].split()) > 5
    assert panel["description"].endswith(".")
    assert panel["type"] == "text" or panel["fieldConfig"]["defaults"]["unit"] in UNITS


@pytest.mark.parametrize("panel", SHOWN, ids=lambda panel: panel["title"])
def test_every_line_and_column_of_a_panel_has_a_name(panel):
    if panel["type"] == "timeseries":
        assert all(target["legendFormat"] for target in panel["targets"])
    if panel["type"] == "table":
        named = panel["transformations"][1]["options"]["renameByName"]
        labels = {label for target in panel["targets"] for label in kept(target["expr"])}
        assert labels <= named.keys()
        assert len(panel["targets"]) == 1 or len([name for name in named if "Value #" in name]) == len(panel["targets"])


def kept(expression: str) -> list[str]:
    """The labels that its outermost aggregation leaves."""
    found = re.match(r"\w+ by \(([^)]*)\)", expression)
    assert found
    return [label.strip() for label in found[1].split(",")]


def test_a_page_names_only_panels_that_there_are():
    """In italics."""
    text = " ".join(" ".join(path.read_text().split()) for path in RUNBOOKS.glob("*.md"))
    named = set(re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", text))
    assert len(named) > 3
    assert sorted(name for name in named if not any(each["title"].startswith(name) for each in panels())) == []


def test_no_two_panels_have_one_name():
    titles = [panel["title"] for panel in panels()]
    assert sorted(set(titles)) == sorted(titles)


def test_no_panel_lies_over_another():
    taken = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels())
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
