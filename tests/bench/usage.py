"""What a process uses, from /proc: now, and as a series while the bench runs."""

import contextlib
import math
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
BUSY = 0.1  # of the processors; more, and times are not to be believed


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


def busy() -> float:
    """Seconds of processor time that everything on this machine has used since it was started."""
    user, nice, system, _idle, _waiting, *rest = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    return sum(map(int, (user, nice, system, *rest[:3]))) / _TICK  # of the rest: interrupts, and what other guests took


def _children() -> list[int]:
    own = os.getpid()
    return [int(pid) for pid in Path(f"/proc/{own}/task/{own}/children").read_text().split()]


@dataclass(slots=True)
class Sampler:
    """Looks at a process four times a second, in a thread. The process may change, and may be none for a while.

    `others`: what all that is not the bench's used up to that moment, in seconds of processor time.
    """

    pid: Callable[[], int | None]
    series: list[Usage] = field(default_factory=list)
    others: list[tuple[float, float]] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _ours: dict[int, float] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread:
            self._thread.join(5)

    def share_of_others(self, start: float = 0.0, end: float = math.inf) -> float:
        """How much of this machine's processors was taken by what is not the bench's, in all or between two times."""
        seen = [each for each in self.others if start <= each[0] <= end]
        if len(seen) < 2:
            return 0.0
        (first, before), (last, after) = seen[0], seen[-1]
        return max(0.0, after - before) / (last - first) / len(os.sched_getaffinity(0))

    def _run(self) -> None:
        while not self._ended.wait(_EVERY):
            for pid in (os.getpid(), *_children()):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                    self._ours[pid] = usage(pid).cpu  # kept when it ends
            self.others.append((time.time(), busy() - sum(self._ours.values())))
            if pid_of_operator := self.pid():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    self.series.append(usage(pid_of_operator))
