"""A Prometheus that watches an operator, for as long as a test looks."""

import contextlib
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.controlplane import free_port
from tests.controlplane.processes import Process, ProcessGroup
from tests.monitoring.rules import RULES, programs

WITHIN = 30.0  # seconds
POLL = 0.1


@dataclass(frozen=True, slots=True)
class Watcher:
    """What it knows."""

    url: str
    process: Process

    def value(self, expression: str) -> dict[tuple[str, ...], float]:
        """What an expression comes to now: the numbers, by the values of their labels in the order of their names."""
        answer = self._ask("query", query=expression)
        if answer["resultType"] == "scalar":
            return {(): float(answer["result"][1])}
        return {
            tuple(text for _, text in sorted(each["metric"].items())): float(each["value"][1])
            for each in answer["result"]
        }

    def alerts(self) -> list[dict[str, Any]]:
        """Those that fire, or will if it stays so."""
        found: list[dict[str, Any]] = self._ask("alerts")["alerts"]
        return found

    def sick_rules(self) -> dict[str, str]:
        """The last error of each rule that has one."""
        rules = [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]
        return {rule["name"]: rule["lastError"] for rule in rules if rule.get("lastError") or rule["health"] == "err"}

    def _ask(self, what: str, **query: str) -> Any:
        address = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - our own
            return json.load(answer)["data"]


@contextlib.contextmanager
def watching(target: str, folder: Path) -> Iterator[Watcher]:
    """Scrape http://`target`/metrics every second, and evaluate the chart's alerts as often."""
    port, group = free_port(), ProcessGroup()
    config = folder / "prometheus.json"
    config.write_text(json.dumps(_config(target)))
    command: list[str | Path] = [
        programs().prometheus,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    with group:
        process = group.start("prometheus", command, log=folder / "prometheus.log")
        made = Watcher(f"http://127.0.0.1:{port}", process)
        _await(made)
        yield made


def _await(watcher: Watcher) -> None:
    until = time.monotonic() + WITHIN
    while True:
        watcher.process.check()
        with contextlib.suppress(OSError, urllib.error.URLError):
            if watcher.value("count(keyferry_shards)"):
                return
        if time.monotonic() > until:
            raise AssertionError(f"nothing is scraped within {WITHIN:g} s:\n{watcher.process.tail()}")
        time.sleep(POLL)


def _config(target: str) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "keyferry", "static_configs": [{"targets": [target]}]}],
    }
