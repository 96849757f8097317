"""Replicas in one process, over one API server in memory: who works on which shard, and whether two ever do."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from keyferry.errors import KubeUnavailable
from keyferry.kube.client import Gate, Json, Message
from keyferry.kube.election import Election
from keyferry.kube.fence import Hold
from keyferry.kube.lease import Leases
from tests.unit.fakes import FakeKube

NAMESPACE = "keyferry-system"


class Wire(FakeKube):
    """One replica's connection to a server that others use, too. It can be cut, and be slow."""

    def __init__(self, server: FakeKube) -> None:
        super().__init__()
        self.server = server
        self.cut = False
        self.delay = 0.0
        self.refuse: Callable[[str, str], None] = lambda *_: None  # method and path

    async def deliver(self, message: Message, gate: Gate | None = None) -> tuple[int, Json]:
        if self.cut:
            await asyncio.sleep(1.0)
            raise KubeUnavailable("no answer")
        await asyncio.sleep(self.delay / 2)
        self.refuse(message.method, message.at.url)
        answer = await self.server.deliver(message, gate)
        await asyncio.sleep(self.delay / 2)
        return answer


@dataclass
class Replica:
    """A replica whose work is nothing but to be there."""

    name: str
    wire: Wire
    shards: int
    others: list["Replica"]
    holds: dict[int, Hold] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)
    finishing: float = 0.0  # seconds that giving up takes
    asleep: float = 0.0  # how long its clock says that it slept without the loop noticing
    election: Election = field(init=False)
    _task: "asyncio.Task[None] | None" = None

    def clock(self) -> float:
        return asyncio.get_running_loop().time() + self.asleep

    def gained(self, shard: int, hold: Hold) -> None:
        self.holds[shard] = hold
        self.history.append(f"+{shard}")

    def lost(self, shard: int) -> None:
        self.holds.pop(shard, None)
        self.history.append(f"!{shard}")

    async def given_up(self, shard: int) -> None:
        await asyncio.sleep(self.finishing)
        self.holds.pop(shard, None)
        self.history.append(f"-{shard}")

    def start(self, *, ready: bool = True) -> Self:
        leases = Leases(self.wire, NAMESPACE, f"{self.name}:8443")
        self.election = Election(leases, self.name, self.shards, self, self.clock)
        if ready:
            self.election.ready()
        self._task = asyncio.create_task(self.election.run())
        return self

    async def stop(self) -> None:
        await self.election.leave()
        await self.kill()

    async def kill(self) -> None:
        """As if its machine were gone: it tells nobody, and what it holds it works on no more."""
        assert self._task
        self._task.cancel()
        await asyncio.wait({self._task})
        self.holds.clear()

    @property
    def working(self) -> set[int]:
        return {shard for shard, hold in self.holds.items() if hold.lasts()}


@dataclass
class Bed:
    """Replicas that share an API server."""

    kube: FakeKube = field(default_factory=FakeKube)
    replicas: dict[str, Replica] = field(default_factory=dict)
    _watch: "asyncio.Task[None] | None" = None
    overlaps: list[str] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._watch = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._watch
        self._watch.cancel()
        for replica in self.replicas.values():
            await replica.kill()
        assert self.overlaps == []

    def start(self, name: str, shards: int = 1, *, ready: bool = True) -> Replica:
        made = Replica(name, Wire(self.kube), shards, [])
        self.replicas[name] = made
        return made.start(ready=ready)

    async def holder_of_all(self) -> Replica:
        """A first replica that holds the one shard there is."""
        one = self.start("one")
        await within(1, lambda: one.working == {0})
        return one

    async def pair(self) -> tuple[Replica, Replica]:
        """One that holds the one shard there is, and a second that has just begun."""
        return await self.holder_of_all(), self.start("two")

    def lease(self, name: str) -> Mapping[str, Any] | None:
        return self.kube.objects.get(("leases", NAMESPACE, name))

    def holder(self, shard: int = 0, shards: int = 1) -> str | None:
        lease = self.lease(f"keyferry-shard-{shard}-of-{shards}")
        return lease["spec"]["holderIdentity"] if lease else None

    def shares(self) -> dict[str, set[int]]:
        return {name: replica.working for name, replica in self.replicas.items()}

    async def _look(self) -> None:
        """That no two work on one shard, nor any two on differently cut ones, is what all of it is for."""
        while True:
            working = [(name, each.shards, shard) for name, each in self.replicas.items() for shard in each.working]
            if len({shards for _, shards, _ in working}) > 1 or len({shard for *_, shard in working}) < len(working):
                self.overlaps.append(f"{asyncio.get_running_loop().time()}: {working}")
            await asyncio.sleep(0.1)


async def within(seconds: float, check: Callable[[], bool]) -> float:
    """How long it takes until this is so; an error where it takes longer."""
    began = asyncio.get_running_loop().time()
    while not check():
        if asyncio.get_running_loop().time() - began > seconds:
            raise AssertionError(f"not within {seconds} s")
        await asyncio.sleep(0.05)
    return asyncio.get_running_loop().time() - began
