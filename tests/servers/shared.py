"""Servers that the tests of a process share: started when the first is asked for, all that are wanted at once."""

import atexit
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest

from tests.controlplane.binaries import BinariesMissing
from tests.controlplane.processes import ProcessGroup
from tests.servers.maven import MavenFailed
from tests.servers.programs import ProgramMissing, required

T = TypeVar("T")


class Shared(Generic[T]):
    """A server that starts once, in a folder and on a port of its own, and ends with this process."""

    def __init__(self, name: str, start: Callable[[ProcessGroup, Path], T], *, grace: float = 0.0) -> None:
        """`grace`: seconds that it has to end in order."""
        self.name = name
        self._grace = grace
        self._start = start
        self._lock = threading.Lock()
        self._started: Future[T] | None = None

    def get(self) -> T:
        """The running server. A test is left out where there is none, but under CI fails."""
        for each in wanted:
            each.begin()
        self.begin()
        assert self._started
        try:
            return self._started.result()
        except (BinariesMissing, ProgramMissing, MavenFailed) as e:
            if required():
                raise
            pytest.skip(str(e))

    def begin(self) -> None:
        """Start it in the background, unless that was done before."""
        with self._lock:
            if self._started is None:
                self._started = Future()
                threading.Thread(target=self._run, args=(self._started,), daemon=True).start()

    def _run(self, started: Future[T]) -> None:
        folder = Path(tempfile.mkdtemp(prefix=f"keyferry-{self.name}-"))
        folder.chmod(0o755)  # a server that is not root must get to what is its own in it
        group = ProcessGroup(folder)
        atexit.register(group.stop, self._grace)
        try:
            started.set_result(self._start(group, folder))
        except BaseException as e:  # noqa: BLE001 - whoever asks for it gets it
            started.set_exception(e)


wanted: set[Shared[Any]] = set()  # those that the tests which were collected will ask for


def needed(servers: Mapping[str, Shared[Any]], fixtures: Iterable[str], params: Mapping[str, Any]) -> set[Shared[Any]]:
    """Which of them a test will ask for, by the names of its fixtures, and of what these are parametrized with.

    A server `vault` is that of a fixture `vault`, or of a parameter `vault_kv2`; a parametrized fixture's own name says
    nothing, since the test may be about another parameter.
    """
    words = {*fixtures} - {*params} | {str(value) for value in params.values()}
    parts = {part for word in words for part in word.split("_")}
    return {server for name, server in servers.items() if any(part.startswith(name) for part in parts)}
