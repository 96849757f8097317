"""One heap of due times, worked by a bounded number of tasks. A key is never worked twice at once."""

import asyncio
import functools
import heapq
import itertools
import logging
import sys
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from keyferry.log import places

K = TypeVar("K", bound=Hashable)

_LOG = logging.getLogger(__name__)
_BEAT_SECONDS = 1.0
_TICK_SECONDS = 1e-5  # a timer may come early by its clock's resolution, and waiting for less would be no waiting
_IDLE_LINES = 64  # of the heap, that are not worth tidying up
_AFTER_BUG_SECONDS = 60.0


@dataclass(slots=True)
class _Slot:
    due: float | None = None  # when it is due next; None: when it is nudged
    running: bool = False
    again: float | None = None  # nudged while it was being worked
    held: deque[tuple[float, Any]] | None = None  # the line in which it waits, due, until its group's share allows


@dataclass(slots=True)
class Queue(Generic[K]):
    """Keys and when they are due. One event loop owns it, so it needs no lock.

    `work(key, due)` does the work and returns the loop's time when the key is due again, or None for "when nudged".
    It should not raise, but have a boundary of its own; where it does, its key is due again in a minute all the same.
    Times are those of the running loop, in seconds. `limit` keys are worked at once, `share` of those for which `group`
    says the same: what waits for one thing leaves room for the others.
    """

    work: Callable[[K, float], Awaitable[float | None]]
    limit: int
    group: Callable[[K], Hashable] = lambda _: None
    share: int = sys.maxsize
    beat: float = field(default=0.0, init=False)  # when the heap was last looked at: liveness depends on it
    finished: int = field(default=0, init=False)  # how often a key was worked
    _slots: dict[K, _Slot] = field(default_factory=dict, init=False)
    _heap: list[tuple[float, int, K]] = field(default_factory=list, init=False)
    _order: "itertools.count[int]" = field(default_factory=itertools.count, init=False)
    _woken: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    _busy: Counter[Hashable] = field(default_factory=Counter, init=False)  # keys of each group that are being worked
    _held: dict[Hashable, deque[tuple[float, K]]] = field(default_factory=dict, init=False)  # due, beyond the share

    def nudge(self, key: K, at: float | None = None) -> None:
        """The key is due now, or at that time if it is not due earlier."""
        due = asyncio.get_running_loop().time() if at is None else at
        slot = self._slots.setdefault(key, _Slot())
        if slot.running:
            slot.again = due if slot.again is None else min(due, slot.again)
        elif slot.due is None or due < slot.due or self._moved(key, slot):
            self._push(key, slot, due)

    def _moved(self, key: K, slot: _Slot) -> bool:
        """Whether it is held back by a group that it is not of any more."""
        return slot.held is not None and slot.held is not self._held.get(self.group(key))

    def __len__(self) -> int:
        return len(self._slots)

    def holds_back(self, group: Hashable) -> bool:
        """Whether more of a group are due than its share allows."""
        return group in self._held

    def worked(self, group: Hashable) -> int:
        """How many of a group are being worked."""
        return self._busy[group]

    @property
    def held_back(self) -> int:
        """How many keys are due, beyond what their group's share allows."""
        return sum(map(len, self._held.values()))

    @property
    def running(self) -> int:
        """How many keys are being worked."""
        return len(self._tasks)

    @property
    def busy(self) -> bool:
        """Whether anything is being worked, or due."""
        return bool(self._tasks) or (bool(self._heap) and self._heap[0][0] <= asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Work until cancelled; then what runs is cancelled too."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                self.beat = loop.time()
                self._start_due(self.beat)
                self._woken.clear()
                try:
                    async with asyncio.timeout(self._pause(loop.time())):
                        await self._woken.wait()
                except TimeoutError:
                    pass
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _pause(self, now: float) -> float:
        """How long to wait for the next key that is due, if nothing happens before."""
        if not self._has_room():
            return _BEAT_SECONDS
        return min(_BEAT_SECONDS, max(_TICK_SECONDS, self._heap[0][0] - now))

    def _has_room(self) -> bool:
        return bool(self._heap) and len(self._tasks) < self.limit

    def _start_due(self, now: float) -> None:
        while self._has_room() and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            slot = self._slots.get(key)
            if slot and slot.due == due and not slot.running:  # else: moved since
                self._start(key, slot, due)

    def _start(self, key: K, slot: _Slot, due: float) -> None:
        group = self.group(key)
        if self._busy[group] >= self.share:
            slot.held = line = self._held.setdefault(group, deque())
            line.append((due, key))
            return
        self._busy[group] += 1
        slot.due, slot.running = None, True
        task = asyncio.create_task(self._one(key, slot, due))
        self._tasks.add(task)
        task.add_done_callback(functools.partial(self._done, group))

    async def _one(self, key: K, slot: _Slot, due: float) -> None:
        try:
            following = await self.work(key, due)
        except BaseException:
            self._settle(key, slot, asyncio.get_running_loop().time() + _AFTER_BUG_SECONDS)
            raise
        self._settle(key, slot, following)

    def _release(self, group: Hashable) -> None:
        """One of a group is done: the first of those that are held back may go."""
        self._busy[group] -= 1
        if not self._busy[group]:
            del self._busy[group]
        held = self._held.get(group, deque())
        while held:
            due, key = held.popleft()
            if (slot := self._slots.get(key)) and slot.held is held and slot.due == due:  # else: moved since
                self._push(key, slot, due)
                return
        self._held.pop(group, None)

    def _settle(self, key: K, slot: _Slot, following: float | None) -> None:
        slot.running = False
        times = [time for time in (following, slot.again) if time is not None]
        slot.again = None
        if times:
            self._push(key, slot, min(times))
        else:  # not due until it is nudged, and then it is known again
            del self._slots[key]

    def _done(self, group: Hashable, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.finished += 1
        self._release(group)
        self._woken.set()
        if not task.cancelled() and (bug := task.exception()):
            _LOG.error("internal error beyond its boundary; please report it: %s", places(bug))

    def _push(self, key: K, slot: _Slot, due: float) -> None:
        slot.due, slot.held = due, None
        if len(self._heap) < 2 * len(self._slots) + _IDLE_LINES:
            heapq.heappush(self._heap, (due, next(self._order), key))
        else:  # most lines are idle: of keys that were nudged before they were due
            due_later = ((k, each.due) for k, each in self._slots.items() if each.due is not None and each.held is None)
            self._heap = [(due, next(self._order), k) for k, due in due_later]
            heapq.heapify(self._heap)
        self._woken.set()
