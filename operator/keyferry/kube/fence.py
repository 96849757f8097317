"""Until when a replica may work: a deadline that comes before anybody else may take its shards."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from keyferry.errors import KubeUnavailable
from keyferry.kube.client import Gate, Json, Kube, Message

Clock = Callable[[], float]


def clock() -> float:
    """Seconds that go on while the machine sleeps, where the system has such a clock, and that nobody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(slots=True)
class Fence:
    """The deadline of a replica. Whoever renews its Lease moves it on."""

    clock: Clock
    until: float = -math.inf

    def stands(self) -> bool:
        """Whether the deadline is still to come. Asks the clock: a loop's own time is stale after a long pause."""
        return self.clock() < self.until


@dataclass(slots=True)
class Hold:
    """A shard that is held, from when it was taken until it is lost or given up. Once over, it is over for ever."""

    fence: Fence
    since: float  # by the fence's clock
    over: bool = False

    def lasts(self) -> bool:
        """Whether the shard may be worked on."""
        return not self.over and self.fence.stands()


class FencedKube(Kube):
    """The API server for the work on one shard: nothing is sent any more once the shard may be somebody else's."""

    def __init__(self, kube: Kube, hold: Hold) -> None:
        """Requests go over `kube`, and only while `hold` lasts."""
        super().__init__(kube.config, kube.timeout, kube.connections)
        self._kube = kube
        self._hold = hold

    async def deliver(self, message: Message, gate: Gate | None = None) -> tuple[int, Json]:
        """Like Kube's. Raises KubeUnavailable, and sends nothing, when the shard is lost."""
        return await self._kube.deliver(message, gate or self._fence)

    def _fence(self, what: str) -> None:
        if not self._hold.lasts():
            raise KubeUnavailable(f"{what} was not sent: this replica has lost its Lease meanwhile")
