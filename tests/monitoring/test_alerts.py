"""Every alert fires when it should and is quiet when it should be; promtool itself evaluates the chart's rules."""

import pytest

from tests.monitoring.rules import CASES, RULES, cases, failures, programs, rules, run

ALERTS = sorted(rule["alert"] for rule in rules())


@pytest.fixture(autouse=True)
def promtool():
    programs()


@pytest.mark.parametrize("alert", ALERTS)
def test_it_fires_and_is_quiet_when_it_should(alert, tmp_path):
    assert failures(tmp_path, rules(), alert) == set()


@pytest.mark.parametrize("alert", ALERTS)
def test_one_that_never_fires_would_be_noticed(alert, tmp_path):
    firing = {case["name"] for case in cases(alert) if "fires" in case}
    assert firing
    assert failures(tmp_path, [rule | {"expr": "vector(0) > 1"} for rule in rules()], alert) == firing


@pytest.mark.parametrize("alert", ALERTS)
def test_one_that_always_fires_would_be_noticed(alert, tmp_path):
    quiet = {case["name"] for case in cases(alert) if "fires" not in case}
    assert quiet
    without = [{**rule, "expr": "vector(1)", "for": "0s"} for rule in rules()]
    assert quiet <= failures(tmp_path, without, alert)


def test_each_has_its_cases_and_there_are_no_others():
    assert sorted(path.stem for path in CASES.glob("*.yaml")) == ALERTS


def test_promtool_accepts_the_file_as_it_is_shipped():
    done = run("check", "rules", RULES)
    assert (done.returncode, f"{len(ALERTS)} rules found" in done.stdout) == (0, True)
