"""What the demo cost: calls to the backends, writes to the Kubernetes API, memory and processor time."""

import http.client
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.controlplane import AuditEvent
from tests.demo.scene import Scene

_WRITES = {"create", "update", "patch", "delete", "deletecollection"}
_ANSWERED = {"Synced", "RemoteSecretMissing"}  # what a refresh may come to while the backend is there
_SAMPLE = re.compile(r"^(?P<name>\w+)\{(?P<labels>.*)\} (?P<value>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Bill:
    """What was spent."""

    aws: Counter[str]  # calls that reached AWS, by action
    sql: Counter[str]  # queries, by kind
    writes: Counter[str]  # to the Kubernetes API, by what was written
    refreshes: int  # of an ExternalSecret, while its backend was there

    def __sub__(self, earlier: "Bill") -> "Bill":
        """What was spent since."""
        return Bill(
            self.aws - earlier.aws,
            self.sql - earlier.sql,
            self.writes - earlier.writes,
            self.refreshes - earlier.refreshes,
        )


def bill(scene: Scene) -> Bill:
    """What was spent since the operator's start, by the stand-in's count, the operator's metrics and the audit log."""
    sql: Counter[str] = Counter()
    looks = 0
    for name, labels, value in _samples(metrics(scene)):
        if name == "keyferry_backend_calls_total" and labels["store"].startswith("SecretStore"):
            sql[labels["operation"]] += value
        if name == "keyferry_syncs_total" and labels["kind"] == "ExternalSecret" and labels["reason"] in _ANSWERED:
            looks += value
    user = scene.stage.operator.user
    written = (e for e in scene.stage.plane.audit() if e.user == user and e.verb in _WRITES and e.resource != "leases")
    writes = Counter(_written(e) for e in written)  # but for its heartbeat, which has nothing to do with Secrets
    # The watch tells of the operator's own writes, too, and each such look is no refresh.
    return Bill(Counter(scene.stage.aws.calls.counts()), sql, writes, looks - writes["Secrets"])


def metrics(scene: Scene) -> str:
    """What Prometheus would get."""
    connection = http.client.HTTPConnection(urlsplit(scene.stage.operator.address).netloc, timeout=10)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def parts(counts: Mapping[str, int]) -> str:
    """The parts of a sum, the largest first."""
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda part: -part[1]))


@dataclass(frozen=True, slots=True)
class Resources:
    """What a process has used."""

    memory: int  # MiB, at most
    seconds: float  # of processor time

    @classmethod
    def of(cls, pid: int) -> "Resources | None":
        """From /proc; None where the system has none."""
        process = Path(f"/proc/{pid}")
        if not process.exists():
            return None
        peak = re.search(r"^VmHWM:\s+(\d+) kB$", (process / "status").read_text(), re.MULTILINE)
        times = (process / "stat").read_text().rpartition(")")[2].split()
        ticks = int(times[11]) + int(times[12])
        return cls(int(peak[1]) // 1024 if peak else 0, ticks / os.sysconf("SC_CLK_TCK"))


def _written(event: AuditEvent) -> str:
    if event.subresource:
        return "statuses"
    return "Secrets" if event.resource == "secrets" else event.resource


def _samples(text: str) -> Iterator[tuple[str, dict[str, str], int]]:
    for sample in _SAMPLE.finditer(text):
        yield sample["name"], dict(_LABEL.findall(sample["labels"])), int(float(sample["value"]))
