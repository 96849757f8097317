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
class Sweeper:
    """Takes snapshots, one at a time. Whoever needs one that began after some moment shares it with all who do.

    One event loop owns it. `take` makes a snapshot, or raises; starts are `pause()` seconds apart.
    """

    take: Callable[[], Awaitable[Snapshot]]
    pause: Callable[[], float] = lambda: 0.0
    last: Snapshot | None = field(default=None, init=False)
    _running: asyncio.Task[Snapshot] | None = field(default=None, init=False)
    _over: asyncio.Event = field(default_factory=asyncio.Event, init=False)  # what runs has ended, well or not
    _running_since: float = field(default=-math.inf, init=False)
    _closed: bool = field(default=False, init=False)

    async def snapshot(self, *, not_before: float) -> Snapshot:
        """A snapshot that began at or after that time of the loop, or now. Raises what `take` raises."""
        not_before = min(not_before, asyncio.get_running_loop().time())  # else it would be taken until time has come
        while not self._closed:
            if self.last and self.last.started >= not_before:
                return self.last
            if self._running is None:
                now = asyncio.get_running_loop().time()
                self._running_since = max(now, self._running_since + self.pause())
                self._running = asyncio.create_task(self._take(after=self._running_since - now))
                self._over = asyncio.Event()
                self._running.add_done_callback(functools.partial(_heard, self._over))
            began, running = self._running_since, self._running
            await self._over.wait()
            snapshot = _outcome(running, shared=began >= not_before)
            if snapshot and snapshot.started >= not_before:
                return snapshot
        raise StoreNotReady(_CLOSED)

    async def _take(self, *, after: float) -> Snapshot:
        try:
            await asyncio.sleep(after)
            self.last = await self.take()
            return self.last
        finally:
            self._running = None

    async def aclose(self) -> None:
        """Stop a snapshot that is being taken; whoever waits is told."""
        self._closed = True
        if self._running:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)


def _outcome(running: asyncio.Task[Snapshot], *, shared: bool) -> Snapshot | None:
    """What a sweep came to; its failure counts only for those whom its success would have served."""
    if running.cancelled():
        raise StoreNotReady(_CLOSED)
    if not shared and running.exception():
        return None
    return running.result()


def _heard(over: asyncio.Event, task: asyncio.Task[Snapshot]) -> None:
    """Tell who waits; where nobody does any more, take note of a failure, lest asyncio logs it with what it quotes."""
    over.set()
    if not task.cancelled():
        task.exception()
