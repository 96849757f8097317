"""The alert rules, and their tests as promtool runs them.

A file of `alerts/` is a list of cases: what is scraped every minute (promtool's notation), when the alert is `quiet`,
and when it `fires`, with which labels.
"""

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.controlplane.binaries import BinariesMissing
from tests.servers import prometheus
from tests.servers.programs import required

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "helm" / "keyferry" / "files" / "alerts" / "keyferry.yaml"
CASES = Path(__file__).parent / "alerts"
WITHIN = 60.0

Rule = dict[str, Any]


def programs() -> prometheus.Programs:
    """Prometheus and promtool. Where they cannot be had the test is skipped; not in continuous integration."""
    try:
        return prometheus.find()
    except BinariesMissing as missing:
        if required():
            raise
        pytest.skip(str(missing))


def rules() -> list[Rule]:
    """Every alert."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def cases(alert: str) -> list[dict[str, Any]]:
    """What is said of an alert."""
    text = (CASES / f"{alert}.yaml").read_text()
    found: list[dict[str, Any]] = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - all is text: 0x30 is no number
    return found


def failures(folder: Path, rules: Iterable[Rule], alert: str) -> set[str]:
    """Which of an alert's cases do not come out with these rules."""
    (folder / "rules.json").write_text(json.dumps({"groups": [{"name": "keyferry", "rules": list(rules)}]}))
    return {case["name"] for case in cases(alert) if not _passes(folder, _tests(alert, case))}


def _passes(folder: Path, tests: Mapping[str, Any]) -> bool:
    file = folder / "tests.json"
    file.write_text(json.dumps({"rule_files": ["rules.json"], "evaluation_interval": "1m", "tests": [tests]}))
    done = run("test", "rules", file)
    if done.returncode and "FAILED:" not in done.stdout + done.stderr:
        raise AssertionError(f"promtool cannot make sense of it: {done.stdout}{done.stderr}")
    return done.returncode == 0


def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """What promtool says."""
    command = [programs().promtool, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=WITHIN)


def _tests(alert: str, case: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case["series"].items()],
        "promql_expr_test": list(_asked(alert, case)),
    }


def _asked(alert: str, case: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Rules leave their alerts as series, so that what fires can be asked for."""
    own = f'alertname="{alert}", alertstate="firing"'
    for at in case.get("quiet", ()):
        yield {"expr": f"ALERTS{{{own}}}", "eval_time": at, "exp_samples": []}
    for at, labels in case.get("fires", {}).items():
        sample = {"labels": f"ALERTS{{{own}, {labels}}}", "value": 1}
        yield {"expr": f"ALERTS{{{own}}}", "eval_time": at, "exp_samples": [sample]}
