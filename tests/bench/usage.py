"""What a process uses, from /proc: now, and as a series while the bench runs."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
_EVERY = 0.25
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Usage:
    """At a moment of the epoch: seconds of processor time since the process began, and bytes that are resident."""

    at: float
    cpu: float
    memory: int


def usage(pid: int) -> Usage:
    """Of one process, all its threads included."""
    process = Path(f"/proc/{pid}")
    times = (process / "stat").read_text().rpartition(")")[2].split()
    resident = int((process / "statm").read_text().split()[1])
    return Usage(time.time(), (int(times[11]) + int(times[12])) / _TICK, resident * _PAGE_SIZE)


@dataclass(slots=True)
class Sampler:
    """Looks at a process four times a second, in a thread. The process may change, and may be none for a while."""

    pid: Callable[[], int | None]
    series: list[Usage] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread:
            self._thread.join(5)

    def _run(self) -> None:
        while not self._ended.wait(_EVERY):
            if pid := self.pid():
                try:
                    self.series.append(usage(pid))
                except (FileNotFoundError, ProcessLookupError):  # it has just ended
                    continue
