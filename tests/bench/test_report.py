import xml.etree.ElementTree as ET

import pytest

from tests.bench.picture import pieces
from tests.bench.plot import Chart, Line, Panel
from tests.bench.reasons import reason
from tests.bench.report import Machine, Report, placed
from tests.bench.rows import row, times_bare
from tests.bench.usage import Usage

CHART = Chart(
    60.0,
    [
        Panel(
            "Calls & more", [Line("#000", [[(0.0, 0.0), (30.0, 7.0)], [(40.0, 1.0), (60.0, 3.0)]], "all", filled=True)]
        )
    ],
    [(0.0, 30.0, "first <sync>"), (30.0, 31.0, "restart")],
)
MACHINE = Machine(2, 8, "3.11.0")


@pytest.mark.parametrize(("figure", "reached"), [(99.9, True), (100.0, True), (100.1, False), (None, None)])
def test_a_goal_is_reached_up_to_its_limit_and_what_was_not_measured_is_neither(figure, reached):
    assert row("memory", "resident", figure, "MiB", at_most=100).reached is reached


def test_a_time_is_told_as_a_ratio_to_the_bare_minimum():
    judged = times_bare("first sync", "all in sync", 4.5, 2.9, factor=1.5)

    assert (judged.ratio, judged.reached) == (1.55, False)


def test_without_the_bare_minimum_a_time_is_not_judged_and_says_why():
    judged = times_bare("first sync", "all in sync", 4.5, None, factor=1.5)

    assert judged.reached is None
    assert "bare minimum" in judged.note


def test_the_page_keeps_what_people_wrote_and_what_is_about_other_sizes(tmp_path):
    page = placed(placed("# Benchmarks\n\nWords.\n", "1000", "old"), "10000", "many")

    renewed = placed(page, "1000", "new")

    assert renewed == page.replace("old", "new")
    assert renewed.startswith("# Benchmarks\n\nWords.\n")


def test_what_is_not_reached_is_on_the_page_with_its_reason(tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text("# Benchmarks\n")
    missed = row("refresh, nothing changed", "CPU of the operator for one", 0.8, "ms", at_most=0.3)

    Report("1000", "1,000 ExternalSecrets", [missed], CHART, MACHINE, 100.0, "make bench", 0.02).write(page)

    assert reason(missed.scenario, missed.what) in page.read_text()
    assert (tmp_path / "benchmarks-1000.svg").read_text() == CHART.svg()


def test_a_picture_is_xml_with_a_line_for_each_piece():
    root = ET.fromstring(CHART.svg())  # noqa: S314 - our own

    lines = [each for each in root.iter("{http://www.w3.org/2000/svg}path") if each.get("stroke") == "#000"]
    assert len(lines) == 2


def test_the_highest_value_fits_its_axis():
    assert [Panel("", [Line("", [[(0.0, value)]])]).top for value in (0.3, 7.0, 20.0, 21.0, 260.0)] == [
        0.5,
        10.0,
        20.0,
        25.0,
        500.0,
    ]


def test_a_restart_ends_one_line_and_begins_another():
    used = [Usage(at, cpu, 0) for at, cpu in ((0.0, 1.0), (1.0, 2.0), (2.0, 0.1), (3.0, 0.2))]

    assert [[each.cpu for each in piece] for piece in pieces(used)] == [[1.0, 2.0], [0.1, 0.2]]
