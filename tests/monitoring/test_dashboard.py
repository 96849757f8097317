"""What the dashboard's numbers say where it counts, evaluated by promtool: the worst case is no empty panel."""

import json
from typing import Any

import pytest

from tests.monitoring.expressions import asked
from tests.monitoring.rules import programs, run

STORE = 'store="SecretStore a/own"'
FAIL = {f'keyferry_external_secrets{{{STORE}, reason="AuthFailed"}}': "4x30"}
WELL = {f'keyferry_external_secrets{{{STORE}, reason="Synced"}}': "12x30"}
ASLEEP = {f'keyferry_external_secrets{{{STORE}, reason="Suspended"}}': "3x30"}
MISSED = {f"keyferry_cache_misses_total{{{STORE}}}": "0+60x30"}
HIT = {f"keyferry_cache_hits_total{{{STORE}}}": "0+180x30"}


@pytest.fixture(autouse=True)
def promtool():
    programs()


@pytest.mark.parametrize(
    ("panel", "series", "value"),
    [
        ("In sync", FAIL, 0),
        ("In sync", FAIL | WELL, 0.75),
        ("In sync", FAIL | WELL | ASLEEP, 0.75),
        ("Not in sync", WELL | ASLEEP, 0),
        ("Not in sync", WELL | FAIL, 4),
        ("Values that cost no call", MISSED, 0),
        ("Values that cost no call", MISSED | HIT, 0.75),
        ("Secrets written in the last hour", {}, 0),
    ],
)
def test_a_number_is_there_and_right(panel, series, value, tmp_path):
    (expression,) = [each for title, each in asked() if title == panel]
    labels = "{" + STORE + "}" if "by (store)" in expression else "{}"
    expected = {"expr": f"({expression})", "eval_time": "10m", "exp_samples": [{"labels": labels, "value": value}]}
    case: dict[str, Any] = {
        "interval": "30s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [expected],
    }
    file = tmp_path / "tests.json"
    file.write_text(json.dumps({"evaluation_interval": "30s", "tests": [case]}))

    done = run("test", "rules", file)

    assert done.returncode == 0, done.stdout + done.stderr
