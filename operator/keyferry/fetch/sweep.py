"""Versions first: one look at the catalogue, fresh enough for whoever asks, shared by all who ask meanwhile."""

import asyncio
import functools
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from keyferry.errors import StoreNotReady
from keyferry.plan.snapshot import Snapshot

_CLOSED = "the store was closed while its catalogue was being listed"


@dataclass(slots=True)
class _Run:
    """A snapshot that is being taken, and those who wait for it."""

    since: float  # the loop's time when it begins
    task: asyncio.Task[Snapshot]
    over: asyncio.Event = field(default_factory=asyncio.Event)  # it has ended, well or not
    waiting: int = 0

    async def outcome(self, *, shared: bool) -> Snapshot | None:
        """What it came to; its failure counts only for those whom its success would have served."""
        self.waiting += 1
        try:
            await self.over.wait()
        finally:
            self.waiting -= 1
        if self.task.cancelled():
            raise StoreNotReady(_CLOSED)
        if not shared and self.task.exception():
            return None
        return self.task.result()


@dataclass(slots=True)
class Sweeper:
    """Takes snapshots, one at a time. Whoever needs one that began after some moment shares it with all who do.

    One event loop owns it. `take` makes a snapshot, or raises; starts are `pause()` seconds apart.
    """

    take: Callable[[], Awaitable[Snapshot]]
    pause: Callable[[], float] = lambda: 0.0
    last: Snapshot | None = field(default=None, init=False)
    _run: _Run | None = field(default=None, init=False)  # the newest
    _closed: bool = field(default=False, init=False)

    @property
    def handing_out(self) -> bool:
        """Whether a snapshot was just taken that not all who waited for it have looked at yet."""
        return self._run is not None and self._run.over.is_set() and self._run.waiting > 0

    async def snapshot(self, *, not_before: float) -> Snapshot:
        """A snapshot that began at or after that time of the loop, or now. Raises what `take` raises."""
        not_before = min(not_before, asyncio.get_running_loop().time())  # else it would be taken until time has come
        while not self._closed:
            if self.last and self.last.started >= not_before:
                return self.last
            if self._run is None or self._run.over.is_set():
                self._run = self._started()
            snapshot = await self._run.outcome(shared=self._run.since >= not_before)
            if snapshot and snapshot.started >= not_before:
                return snapshot
        raise StoreNotReady(_CLOSED)

    def _started(self) -> _Run:
        now = asyncio.get_running_loop().time()
        since = max(now, (self._run.since if self._run else -math.inf) + self.pause())
        run = _Run(since, asyncio.create_task(self._taken(after=since - now)))
        run.task.add_done_callback(functools.partial(_heard, run))
        return run

    async def _taken(self, *, after: float) -> Snapshot:
        await asyncio.sleep(after)
        self.last = await self.take()
        return self.last

    async def aclose(self) -> None:
        """Stop a snapshot that is being taken; whoever waits is told."""
        self._closed = True
        if self._run:
            self._run.task.cancel()
            await asyncio.gather(self._run.task, return_exceptions=True)


def _heard(run: _Run, task: asyncio.Task[Snapshot]) -> None:
    """Tell who waits; where nobody does any more, take note of a failure, lest asyncio logs it with what it quotes."""
    run.over.set()
    if not task.cancelled():
        task.exception()
