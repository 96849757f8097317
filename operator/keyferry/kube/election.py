"""Which shards this replica holds: it tells that it lives, looks who else does, and takes and gives up shards."""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Protocol

from keyferry import metrics
from keyferry.errors import KubeUnavailable
from keyferry.kube.errors import Conflict, KubeError
from keyferry.kube.fence import Clock, Fence, Hold, clock
from keyferry.kube.lease import DURATION_SECONDS, Lease, Leases, Lives
from keyferry.schedule.shares import View

_LOG = logging.getLogger(__name__)
_RENEW_SECONDS = 3.0
_RETRY_SECONDS = 1.0
_FENCE_SECONDS = 8.0  # after the last renewal was sent work stops: two seconds before anybody may take over
_LOOK_SECONDS = 1.0
_LOOK_ALONE_SECONDS = 3.0
_SOON_SECONDS = 0.05
_TICK_SECONDS = 0.001


class Work(Protocol):
    """What is done with shards."""

    def gained(self, shard: int, hold: Hold) -> None:
        """Begin to work on it, on a picture of the cluster that is no older than the hold."""

    def lost(self, shard: int) -> None:
        """Stop at once: somebody else may take it any moment."""

    async def given_up(self, shard: int) -> None:
        """Finish what is being written, and stop."""


@dataclass(slots=True)
class Election:
    """One event loop owns it. `run` works until cancelled; `leave` before that lets others take over at once."""

    leases: Leases
    me: str
    shards: int
    work: Work
    clock: Clock = clock
    looked: asyncio.Event = field(default_factory=asyncio.Event, init=False)  # at least once, be it in vain
    beat: float | None = field(default=None, init=False)  # the loop's time of the last look: liveness depends on it
    fence: Fence = field(init=False)
    held: dict[int, Hold] = field(default_factory=dict, init=False)
    _lives: Lives = field(default_factory=Lives, init=False)
    _seen: dict[int, Lease] = field(default_factory=dict, init=False)  # my kind's Leases of shards
    _joined: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _ready: bool = field(default=False, init=False)
    _leaving: bool = field(default=False, init=False)
    _held_at: float = field(init=False)  # when anybody was last seen holding anything
    _taken: list[int] = field(default_factory=list, init=False)  # in this look, and not begun
    _alarm: asyncio.TimerHandle | None = field(default=None, init=False)
    _all: list[Lease] = field(default_factory=list, init=False)
    _wake: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _acting: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _renewing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _troubles: dict[str, str] = field(default_factory=dict, init=False)  # what was said last, so that it is said once

    def __post_init__(self) -> None:
        self.fence = Fence(self.clock)
        self._held_at = self.clock()

    async def run(self) -> None:
        """Take part until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._live())
            group.create_task(self._watch_over())

    def ready(self) -> None:
        """Everything has been seen: from now on others may be relieved of their shards, too."""
        self._ready = True
        self._wake.set()

    async def leave(self) -> None:
        """Give up everything, so that others take it at once, and take no more."""
        self._leaving = True
        async with self._acting:
            await self._tried("look", self._note())
            async with asyncio.TaskGroup() as group:
                for shard in list(self.held):
                    group.create_task(self._give_up(shard))
            async with self._renewing:
                self._joined.clear()
                await self._tried("leave", self.leases.withdraw(self.me))

    def address_of(self, shard: int) -> str:
        """Where its holder listens for hints, as of the last look; empty when that is not known."""
        holder = self._seen[shard].holder if shard in self._seen else ""
        return next((lease.address for lease in self._all if lease.shard is None and lease.holder == holder), "")

    async def _live(self) -> None:
        renewed = True
        while True:
            await self._joined.wait()
            await asyncio.sleep(_RENEW_SECONDS if renewed else _RETRY_SECONDS)
            renewed = await self._tried("renew", self._renew())

    async def _renew(self) -> None:
        async with self._renewing:
            if not self._joined.is_set():
                return
            asked = self.clock()
            await self.leases.renew(self.me, self.shards)
        if not self.fence.stands():  # it came too late for what was held until now
            self._lose_all()
            self._wake.set()
        self.fence.until = asked + _FENCE_SECONDS
        self._arm()

    def _arm(self) -> None:
        """Stop work when the deadline passes, whatever else goes on."""
        if self._alarm:
            self._alarm.cancel()
        left = max(_TICK_SECONDS, self.fence.until - self.clock())
        self._alarm = asyncio.get_running_loop().call_later(left, self._check_fence)

    def _check_fence(self) -> None:
        if self.fence.stands():  # a timer may come early by its clock's resolution
            self._arm()
        else:
            self._lose_all()

    def _lose_all(self) -> None:
        for shard in list(self.held):
            self._lose(shard, "its Lease could not be renewed in time")

    def _lose(self, shard: int, why: str) -> None:
        self.held.pop(shard).over = True
        metrics.SHARDS_HELD.set(len(self.held))
        self.work.lost(shard)
        _LOG.warning("lost shard %s of %s: %s", shard, self.shards, why)

    async def _watch_over(self) -> None:
        while True:
            async with self._acting:
                if not self._leaving:
                    await self._tried("look", self._look())
            self.looked.set()
            self.beat = asyncio.get_running_loop().time()
            await asyncio.sleep(_SOON_SECONDS)  # whatever wakes it, it never spins
            try:
                async with asyncio.timeout(self._pause()):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    def _pause(self) -> float:
        """Seconds until the next look. The end of somebody's life is worth one of its own."""
        if len(self.held) == self.shards:
            return _LOOK_ALONE_SECONDS
        now = self.clock()
        return min(_LOOK_SECONDS, self._lives.next_end(now) - now + _SOON_SECONDS)

    async def _look(self) -> None:
        """See who lives and who holds what; take what should be mine and is free, give up what should be another's."""
        view = await self._note()
        if not self._joined.is_set() and (view.alone or self._ready):
            self._joined.set()
            await self._tried("renew", self._renew())
            view = await self._note()  # others count on me from now on, and who begins with me sees me or is seen
        if not self.fence.stands():
            return
        mine = view.mine()
        async with asyncio.TaskGroup() as group:
            for shard in self.held.keys() - mine:
                group.create_task(self._give_up(shard))
            for shard in mine - self.held.keys():
                if view.holders.get(shard, self.me) == self.me:
                    group.create_task(self._take(shard))
            group.create_task(self._tidy_up(view))
        for shard in [each for each in self._taken if each in self.held]:  # at once, so that they share a list
            self.work.gained(shard, self.held[shard])
        self._taken.clear()

    async def _note(self) -> View:
        """Everything as it is now. A shard whose Lease names another is lost."""
        listed = await self.leases.listed()
        now = self.clock()
        self._lives.saw(listed, now)
        self._all = listed
        self._seen = {lease.shard: lease for lease in listed if lease.shard is not None and lease.shards == self.shards}
        for shard in list(self.held):
            if shard not in self._seen or self._seen[shard].holder != self.me:
                self._lose(shard, "its Lease is not ours any more")
        living = [lease for lease in listed if lease.holder == self.me or self._lives.ends(lease.holder) > now]
        if any(lease.shard is not None for lease in living):
            self._held_at = now
        return View(
            me=self.me,
            shards=self.shards,
            replicas={lease.holder: lease.shards for lease in living if lease.shard is None},
            holders={shard: lease.holder for shard, lease in self._seen.items() if lease in living},
            idle=now - self._held_at > DURATION_SECONDS,
        )

    async def _take(self, shard: int) -> None:
        async def take() -> None:
            self._seen[shard] = await self.leases.take(self.me, self.shards, shard, self._seen.get(shard))

        if not await self._tried("take", take()) or not self.fence.stands():
            return  # the next look finds how it stands
        self.held[shard] = Hold(self.fence, self.clock())
        metrics.SHARDS_HELD.set(len(self.held))
        self._taken.append(shard)
        _LOG.info("holds shard %s of %s", shard, self.shards)

    async def _give_up(self, shard: int) -> None:
        if (hold := self.held.get(shard)) is None:
            return
        await self.work.given_up(shard)
        if hold.over:  # it took too long
            return
        hold.over = True
        del self.held[shard]
        metrics.SHARDS_HELD.set(len(self.held))
        _LOG.info("gives up shard %s of %s", shard, self.shards)
        await self._tried("release", self.leases.release(self._seen[shard]))

    async def _tidy_up(self, view: View) -> None:
        """Delete what nobody will need: the Leases of dead replicas, and those of other numbers of shards."""
        holders = {lease.holder for lease in self._all if lease.shard is not None}
        for lease in self._all:
            if lease.shard is None:
                useless = lease.holder not in view.replicas and lease.holder not in holders
            else:
                useless = lease.shards != self.shards and set(view.replicas.values()) == {self.shards}
            if useless:
                await self._tried("remove", self.leases.remove(lease))

    async def _tried(self, operation: str, request: Awaitable[object]) -> bool:
        """Whether a request succeeded. What goes on failing is told once."""
        try:
            await request
        except Conflict as meanwhile:
            _LOG.info("Leases: %s: somebody was faster", meanwhile)
            self._wake.set()
            return False
        except (KubeError, KubeUnavailable) as failure:
            metrics.LEASE_FAILURES.labels(operation).inc()
            if self._troubles.get(operation) != str(failure):
                _LOG.warning("Leases: %s", failure)
            self._troubles[operation] = str(failure)
            return False
        self._troubles.pop(operation, None)
        return True
