"""Child processes that never outlive their owner."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

GUARD = Path(__file__).with_name("guard.py")
KILLED_WITHIN = 10.0  # seconds from SIGKILL to the end; more means a process stuck in the kernel


class ProcessDied(Exception):
    """A process ended that should have run on; the text ends with its last words."""


@dataclass(frozen=True, slots=True)
class Process:
    """A running program and its log."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def check(self) -> None:
        """Raise, with the end of its log, if it runs no more."""
        if (code := self.popen.poll()) is not None:
            raise ProcessDied(f"{self.name} ended with code {code}. Its last words:\n{self.tail()}")

    def tail(self, lines: int = 25) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def end(self, grace: float) -> int:
        """Stop it politely, and after the grace time by force; the answer is its exit code (negative: a signal's)."""
        if grace > 0:
            self.popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self.popen.wait(grace)
        self.popen.kill()
        return self.popen.wait(KILLED_WITHIN)


@dataclass(slots=True)
class ProcessGroup:
    """Programs that end together. With a folder, that goes with them, even if the owner is killed by SIGKILL."""

    folder: Path | None = None
    _guard: subprocess.Popen[bytes] | None = None
    _members: list[Process] = field(default_factory=list)

    def start(
        self, name: str, command: Sequence[str | Path], *, log: Path, environment: Mapping[str, str] | None = None
    ) -> Process:
        """Start a program in this group; what it prints is appended to the log."""
        with log.open("ab") as output:
            popen = subprocess.Popen(
                [str(word) for word in command],
                env=None if environment is None else dict(environment),
                cwd=self.folder or log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=self._leader().pid,
            )
        member = Process(name, popen, log)
        self._members.append(member)
        return member

    def stop(self, grace: float = 0.0) -> None:
        """End every member, the last started first, then the guard; remove the folder."""
        guard, self._guard = self._guard, None
        try:
            for member in reversed(self._members):
                member.end(grace)
        finally:
            self._members.clear()
            if guard is not None:
                _end(guard)
            if self.folder is not None:
                _remove(self.folder)

    def _leader(self) -> subprocess.Popen[bytes]:
        if self._guard is None:
            # -I and -S: neither the environment nor site-packages can delay or break it.
            command = [sys.executable, "-I", "-S", str(GUARD), str(os.getpid())]
            folder = [] if self.folder is None else [str(self.folder)]
            self._guard = subprocess.Popen([*command, *folder], stdin=subprocess.PIPE, process_group=0)
        return self._guard

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _end(guard: subprocess.Popen[bytes]) -> None:
    """Kill the group, the guard and whatever the members left behind included."""
    with contextlib.suppress(ProcessLookupError):  # it was killed from outside, and nothing is left in its group
        os.killpg(guard.pid, signal.SIGKILL)
    guard.wait(KILLED_WITHIN)
    if guard.stdin is not None:
        guard.stdin.close()


def _remove(folder: Path) -> None:
    """What was killed a moment ago may still be writing its last file."""
    until = time.monotonic() + KILLED_WITHIN
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
