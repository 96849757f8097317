"""The composition root: from settings to clients, queues and reconciliations, and how they run."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from keyferry import metrics
from keyferry.fetch.cache import Room
from keyferry.kube.client import Kube
from keyferry.kube.election import Election
from keyferry.kube.fence import Hold, clock
from keyferry.kube.lease import Leases
from keyferry.kube.metadata_watch import SecretWatch
from keyferry.kube.reach import Reach
from keyferry.kube.watched import Watched
from keyferry.schedule.worker import Queue
from keyferry.settings import Settings
from keyferry.sync import standing
from keyferry.sync.picture import Picture
from keyferry.sync.shard import Shard, number_of
from keyferry.sync.waking import Waking
from keyferry.sync.webhook import Webhooks
from keyferry.values import Key, StoreKey

_STALL_SECONDS = 60.0  # without a beat, the scheduler has stopped
_WATCH_STALL_SECONDS = 900.0
_PURGE_SECONDS = 1.0
_CALM_SECONDS = 0.25
_ROUND_LOOKS = 20  # at whether the first burst of work is over; then, whether enough got done to wait for more
_ROUNDS = 12
_MUCH = 200  # pieces of work in a round


@dataclass(slots=True)
class App:
    """The operator without Kopf. One event loop owns it.

    Every replica sees everything; it works on the shards that it holds, and on nothing else. `lease_kube` is a
    connection of the Leases' own, so that their renewal does not queue behind the work.
    """

    kube: Kube
    lease_kube: Kube
    settings: Settings
    clock: Callable[[], float] = clock
    watched: Watched = field(init=False)
    learnt: asyncio.Event = field(default_factory=asyncio.Event, init=False)  # everything was seen once
    calm: asyncio.Event = field(default_factory=asyncio.Event, init=False)  # and has been worked on
    waking: Waking = field(init=False)
    webhooks: Webhooks = field(init=False)
    secret_watch: SecretWatch = field(init=False)
    picture: Picture = field(init=False)
    election: Election = field(init=False)
    room: Room = field(default_factory=Room, init=False)  # for the values of all stores
    shards: dict[int, Shard] = field(default_factory=dict, init=False)  # those that are worked on
    _group: asyncio.TaskGroup = field(default_factory=asyncio.TaskGroup, init=False)
    _working: dict[int, asyncio.Task[None]] = field(default_factory=dict, init=False)
    _ended: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.watched = Watched(Reach(self.settings.namespaces, self.settings.secrets))
        self.waking = Waking(self.watched, self._nudge, self._nudge_store)
        self.secret_watch = SecretWatch(self.kube, self.watched.secrets, self.waking.secret, self.watched.reach)
        self.webhooks = Webhooks(self.kube, self.watched, self.hinted, served=bool(self.settings.webhook_listen))
        self.picture = Picture(self.kube, self.waking, self.secret_watch, self.clock)
        leases = Leases(self.lease_kube, self.settings.namespace, self.settings.webhook_address)
        self.election = Election(leases, self.settings.identity, self.settings.shards, self, self.clock)

    async def run(self) -> None:
        """Learn what there is, then work on what is held until cancelled."""
        try:
            async with self._group as group:
                group.create_task(self.election.run())
                await self.election.looked.wait()  # what is free is taken first, and need not be learnt once more then
                await self.picture.kinds.fit()
                await self.picture.learn()
                self.learnt.set()
                self.election.ready()
                group.create_task(self.secret_watch.run())
                group.create_task(self._keep_the_picture())
                group.create_task(self._purge())
                group.create_task(self.picture.kinds.keep())
        finally:
            self._ended = True

    async def _keep_the_picture(self) -> None:
        await self._first_burst()
        self.calm.set()  # watches begin
        await self.picture.keep()

    async def _first_burst(self) -> None:
        """Return when what was learnt at first has been worked on, or little of it gets done: some store may be stuck.

        What changes meanwhile is not seen before, so this ends in any case.
        """
        for _ in range(_ROUNDS):
            before = self._finished()
            for _ in range(_ROUND_LOOKS):
                await asyncio.sleep(_CALM_SECONDS)
                if not any(queue.busy for queue in self._queues()):
                    return
            if self._finished() - before < _MUCH:
                return

    def _finished(self) -> int:
        return sum(queue.finished for queue in self._queues())

    def _queues(self) -> Iterator[Queue[Any]]:
        return itertools.chain.from_iterable(shard.queues.values() for shard in self.shards.values())

    async def leave(self) -> None:
        """Finish what is being written and let others take over, before `run` is cancelled."""
        await self.election.leave()

    def stopped(self) -> str | None:
        """What has stopped working though it should not; None while all is well."""
        now = asyncio.get_running_loop().time()
        if self._ended:
            return "the operator has stopped working"
        if not self.learnt.is_set():
            return None
        beats = [queue.beat or now for queue in self._queues()]
        if now - min(beats, default=now) > _STALL_SECONDS:
            return "the scheduler has not looked at its queue for a minute"
        if now - (self.election.beat or now) > _STALL_SECONDS:
            return "nobody has looked at the Leases for a minute"
        return self._unseeing(now)

    def _unseeing(self, now: float) -> str | None:
        if now - self.secret_watch.alive_at > _WATCH_STALL_SECONDS:
            return "the watch of Secrets has done nothing for a quarter of an hour"
        if deaf := self.picture.deaf:
            return f"for a quarter of an hour no watch has told of what is new among {deaf}"
        return None

    def unready(self) -> str | None:
        """Why not everything there is has been seen; None where it has."""
        if not self.learnt.is_set():
            return "; ".join(filter(None, ["still learning what there is", self.picture.waits_for]))
        return self.picture.kinds.unfit or None

    def measure(self) -> None:
        """Bring those metrics up to date that are counted when somebody asks: how things stand now."""
        shards = list(self.shards.values())
        for kind in ("ExternalSecret", "SecretStore", "Hint"):
            queues = [shard.queues[kind] for shard in shards]
            metrics.QUEUE.labels(kind).set(sum(len(queue) for queue in queues))
            metrics.RUNNING.labels(kind).set(sum(queue.running for queue in queues))
            metrics.HELD_BACK.labels(kind).set(sum(queue.held_back for queue in queues))
        metrics.SHARDS.set(self.settings.shards)
        metrics.STORE_STATE.clear()
        for store in itertools.chain.from_iterable(shard.stores.running.values() for shard in shards):
            metrics.STORE_STATE.labels(str(store.key), store.state).set(1)
        standing.measure((shard.reconciler.standings for shard in shards), asyncio.get_running_loop().time())

    def hinted(self, key: StoreKey, source: str) -> None:
        """Somebody says that something in the store changed: the one entry for all who hint."""
        if shard := self._shard(key):
            shard.hinting.hinted(key, source)

    def elsewhere(self, key: StoreKey) -> str | None:
        """Where the replica listens for hints that works on the store: empty when not known, None when it is this."""
        number = number_of(key, self.watched, self.settings.shards)
        return None if number in self.shards else self.election.address_of(number)

    def gained(self, number: int, hold: Hold) -> None:
        """Begin to work on a shard, on a picture that is no older than the hold."""
        self._working[number] = self._group.create_task(self._work(number, hold, self._working.get(number)))

    def lost(self, number: int) -> None:
        """Stop working on a shard at once."""
        if shard := self.shards.pop(number, None):
            shard.listeners.cease()
        if working := self._working.get(number):  # else it had not begun
            working.cancel()

    async def given_up(self, number: int) -> None:
        """Begin nothing more on a shard, and return when what was being written is."""
        shard = self.shards.get(number)
        self.lost(number)
        if shard:
            await shard.finished()

    async def _work(self, number: int, hold: Hold, former: asyncio.Task[None] | None) -> None:
        if former:
            await asyncio.wait({former})
        await self.learnt.wait()
        await self.picture.learn_since(hold.since)
        shard = Shard(
            number,
            hold,
            self.kube,
            self.watched,
            self.settings,
            self.waking,
            self.webhooks,
            self.room,
            self._sees_all_secrets,
        )
        self.shards[number] = shard
        try:
            await shard.run()
        finally:
            await shard.aclose()

    def _nudge(self, key: Key, at: float | None) -> None:
        if shard := self._shard(key):
            shard.queue.nudge(key, at)

    def _nudge_store(self, key: StoreKey) -> None:
        if shard := self._shard(key):
            shard.store_queue.nudge(key)

    def _sees_all_secrets(self) -> bool:
        return self.secret_watch.fresh

    def _shard(self, key: Key | StoreKey) -> Shard | None:
        """Whose work this is; None where another replica's."""
        return self.shards.get(number_of(key, self.watched, self.settings.shards))

    async def _purge(self) -> None:
        """Keep no value for longer than its store says, though nobody asks for any."""
        while True:
            self.room.purge(asyncio.get_running_loop().time())
            await asyncio.sleep(_PURGE_SECONDS)
