"""A store's budget: how fast, how many at once, how long. Every call to its backend goes through here."""

import asyncio
import math
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from keyferry import metrics, tracing
from keyferry.errors import BackendUnavailable, SyncError, Throttled

T = TypeVar("T")

_AT_ONCE_SECONDS = 0.8  # worth of calls may go at once: a backend that bears a second's worth has not the same clock
_BELOW = 0.95  # of what the backend bore when it throttled: there the rate settles
_AT_LEAST = 1.15  # of what it bore in less than a second, it may bear in a whole one
_RECOVERY_SECONDS = 3.0  # of good calls, from half of that rate back to it
_PROBING = 0.01  # a second, by which the rate grows from there on, and as much more for each second that all was well
_WHOLE_SECONDS = 0.9  # of a second, that good answers must cover to count as a second's
_REMEMBERED_SECONDS = 60.0  # of quiet that count as recovery, at most
_PAUSE_SECONDS = 0.5  # after being throttled without being told for how long
_LONGEST_PAUSE_SECONDS = 3600.0  # what a backend asks for is law, but for nonsense
_PATIENCE_SECONDS = 300.0  # of such a pause: whoever would have to wait longer is told so instead


@dataclass(slots=True)
class Budget:
    """The store's limits, adapted to what the backend bears.

    When it throttles, the rate falls to half of what the backend bore, recovers to just below that, and then grows
    slowly, until it throttles again or the rate is what the spec says.
    One event loop owns it. `calls` counts by operation what was sent, answered or not.
    """

    store: str
    per_second: float
    concurrency: int
    timeout: float  # seconds, of one call
    calls: Counter[str] = field(default_factory=Counter)
    rate: float = field(init=False)  # calls per second that may be sent now
    _borne: float = field(default=math.inf, init=False)  # where the rate settles, as far as the backend has told
    _good: deque[float] = field(default_factory=deque, init=False)  # when calls of the last second were answered
    _free_at: float = field(default=0.0, init=False)
    _slowed_at: float = field(default=-math.inf, init=False)  # when the backend last asked for patience
    _pause: float = field(default=0.0, init=False)  # for how long
    _slots: asyncio.Semaphore = field(init=False)
    _waiting: dict[object, float] = field(default_factory=dict, init=False)  # since when

    def __post_init__(self) -> None:
        self.rate = self.per_second
        self._slots = asyncio.Semaphore(self.concurrency)

    async def __call__(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        """Run `call` when the budget allows. Raises what it raises, and BackendUnavailable when it takes too long.

        Raises Throttled, and calls nothing, where the backend has asked for a pause that lasts much longer.
        """
        async with self._turn():
            started = asyncio.get_running_loop().time()
            try:
                answer = await self._counted(operation, call, self.timeout, "refresh.timeout")
            except Throttled as throttled:
                self._slow_down(throttled.retry_after, started)
                raise
            self._recover()
            return answer

    async def beside(self, operation: str, call: Callable[[], Awaitable[T]], *, within: float) -> T:
        """Run a call that waits for something to happen. It is counted, and takes no slot and no turn."""
        return await self._counted(operation, call, within, "refresh.timeout and the time that it may wait")

    async def _counted(self, operation: str, call: Callable[[], Awaitable[T]], within: float, limit: str) -> T:
        with tracing.span(operation, store=self.store):
            return await self._timed(operation, call, within, limit)

    async def _timed(self, operation: str, call: Callable[[], Awaitable[T]], within: float, limit: str) -> T:
        self.calls[operation] += 1
        started = asyncio.get_running_loop().time()
        result = "error"
        try:
            async with asyncio.timeout(within):
                answer = await call()
            result = "ok"
        except TimeoutError as slow:
            result = BackendUnavailable.reason
            raise BackendUnavailable(f"{operation} took longer than {within:g} s ({limit})") from slow
        except SyncError as failure:
            result = failure.reason
            raise
        except asyncio.CancelledError:
            result = "cancelled"
            raise
        else:
            return answer
        finally:
            metrics.BACKEND_CALLS.labels(self.store, operation, result).inc()
            took = asyncio.get_running_loop().time() - started
            metrics.BACKEND_SECONDS.labels(self.store, operation).observe(took)

    def go_on_from(self, former: "Budget") -> None:
        """Take over what the backend has told of itself so far: it is the same one, only its store was edited."""
        self._free_at, self._pause = former._free_at, former._pause  # noqa: SLF001 - it is one of the same kind
        self._slowed_at, self._borne = former._slowed_at, former._borne  # noqa: SLF001
        if self._slowed_at > -math.inf:
            self.rate = min(self.rate, former.rate)

    @property
    def longest_wait(self) -> float:
        """Seconds for which the first of those that wait has been waiting; 0 when nobody does."""
        return asyncio.get_running_loop().time() - min(self._waiting.values()) if self._waiting else 0.0

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait for a slot and a turn, and hold the slot."""
        async with AsyncExitStack() as held:
            with self._waits():
                await held.enter_async_context(self._slots)
                await self._rate_allows()
            yield

    @contextmanager
    def _waits(self) -> Iterator[None]:
        """Somebody waits, for as long as the context is open."""
        loop, me = asyncio.get_running_loop(), object()
        asked = self._waiting[me] = loop.time()
        metrics.BUDGET_WAITING.labels(self.store).set(len(self._waiting))
        try:
            yield
        finally:
            del self._waiting[me]
            metrics.BUDGET_WAITING.labels(self.store).set(len(self._waiting))
            metrics.BUDGET_WAIT_SECONDS.labels(self.store).inc(loop.time() - asked)

    async def _rate_allows(self) -> None:
        """Wait until the next call may go. Almost a second's worth may go at once after a quiet time."""
        loop = asyncio.get_running_loop()
        slowed_at = None
        while slowed_at != self._slowed_at:  # a turn that was given before the backend asked for patience is void
            slowed_at = self._slowed_at
            if slowed_at + self._pause - loop.time() > _PATIENCE_SECONDS:
                raise Throttled(f"the backend asked to be left alone for {self._pause:g} s, which are not over")
            at_once = max(_AT_ONCE_SECONDS, 1.0 / self.rate)  # one, at least
            self._free_at = max(self._free_at, loop.time() - at_once) + 1.0 / self.rate
            if (wait := self._free_at - loop.time()) > 0:
                await asyncio.sleep(wait)

    def _recover(self) -> None:
        """A good answer gives some of the rate back, for the time since the last word of the backend."""
        now = asyncio.get_running_loop().time()
        since = min(_REMEMBERED_SECONDS, now - max(self._slowed_at, self._good[-1] if self._good else -math.inf))
        self._good.append(now)
        self._forget(now)
        if self.rate < self._borne:
            self.rate = min(self._borne, self.rate + self._borne / 2 * since / _RECOVERY_SECONDS)
        else:
            quiet = min(_REMEMBERED_SECONDS, now - self._slowed_at)
            self.rate *= (1.0 + _PROBING * (1.0 + quiet)) ** since
        self.rate = min(self.per_second, self.rate)

    def _forget(self, now: float) -> None:
        while len(self._good) > 1 and self._good[0] < now - 1.0:
            self._good.popleft()

    def _slow_down(self, retry_after: float | None, started: float) -> None:
        now = asyncio.get_running_loop().time()
        if started > self._slowed_at:  # else it was under way already: many answers of one moment say one thing
            self._forget(now)
            bore, floor = self._bore(), min(1.0, self.per_second / 10)
            whole = self._good and self._good[0] < now - _WHOLE_SECONDS  # before a second has passed, less is known
            self._borne = max(floor, _BELOW * min(self.rate, bore if whole else _AT_LEAST * bore))
            self.rate = max(floor, min(self.rate, bore) / 2)
        pause = min(_LONGEST_PAUSE_SECONDS, _PAUSE_SECONDS if retry_after is None else retry_after)
        if now + pause > self._slowed_at + self._pause:
            self._pause = pause
        self._slowed_at = now
        self._free_at = max(self._free_at, now + pause)

    def _bore(self) -> float:
        """Calls that the backend bore in the last second; only where every slot is taken do its answers tell."""
        return len(self._good) if self._slots.locked() and len(self._good) > 1 else self.rate
