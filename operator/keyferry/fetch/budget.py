"""A store's budget: how fast, how many at once, how long. Every call to its backend goes through here."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from keyferry import metrics
from keyferry.errors import BackendUnavailable, SyncError, Throttled

T = TypeVar("T")

_RECOVERY = 1.02  # each good call gives 2 % back of the rate that throttling took
_PAUSE_SECONDS = 0.5  # after being throttled without being told for how long
_LONGEST_PAUSE_SECONDS = 300.0


@dataclass(slots=True)
class Budget:
    """The store's limits, adapted to what the backend bears: halved when it throttles, recovering slowly.

    One event loop owns it. `calls` counts by operation what was sent, answered or not.
    """

    store: str
    per_second: float
    concurrency: int
    timeout: float  # seconds, of one call
    calls: Counter[str] = field(default_factory=Counter)
    rate: float = field(init=False)  # calls per second that the backend bears, as far as it has told
    _free_at: float = field(default=0.0, init=False)
    _slowed_at: float = field(default=float("-inf"), init=False)  # when the backend last asked for patience
    _slots: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.rate = self.per_second
        self._slots = asyncio.Semaphore(self.concurrency)

    async def __call__(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        """Run `call` when the budget allows. Raises what it raises, and BackendUnavailable when it takes too long."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        async with self._slots:
            await self._turn()
            started = loop.time()
            metrics.BUDGET_WAIT_SECONDS.labels(self.store).inc(started - asked)
            result = "error"
            try:
                answer = await self._limited(operation, call)
                result = "ok"
            except Throttled as throttled:
                result = throttled.reason
                self._slow_down(throttled.retry_after, started)
                raise
            except SyncError as failure:
                result = failure.reason
                raise
            else:
                self.rate = min(self.per_second, self.rate * _RECOVERY)
                return answer
            finally:
                metrics.BACKEND_CALLS.labels(self.store, operation, result).inc()
                metrics.BACKEND_SECONDS.labels(self.store, operation).observe(loop.time() - started)

    async def _limited(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        self.calls[operation] += 1
        try:
            async with asyncio.timeout(self.timeout):
                return await call()
        except TimeoutError as slow:
            raise BackendUnavailable(f"{operation} took longer than {self.timeout:g} s (refresh.timeout)") from slow

    async def _turn(self) -> None:
        """Wait until the next call may go. A second's worth may go at once after a quiet time."""
        loop = asyncio.get_running_loop()
        slowed_at = None
        while slowed_at != self._slowed_at:  # a turn that was given before the backend asked for patience is void
            slowed_at = self._slowed_at
            self._free_at = max(self._free_at, loop.time() - 1.0) + 1.0 / self.rate
            if (wait := self._free_at - loop.time()) > 0:
                await asyncio.sleep(wait)

    def _slow_down(self, retry_after: float | None, started: float) -> None:
        now = asyncio.get_running_loop().time()
        if started > self._slowed_at:  # else it was under way already: many answers of one moment say one thing
            self.rate = max(self.per_second / 64, 0.1, self.rate / 2)
        self._slowed_at = now
        pause = min(_LONGEST_PAUSE_SECONDS, _PAUSE_SECONDS if retry_after is None else retry_after)
        self._free_at = max(self._free_at, now + pause)
