"""Values in batches: askers of one moment share calls, askers of one secret an answer; a cache serves the rest."""

import asyncio
import logging
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

from keyferry.errors import BackendUnavailable, InternalError, StoreNotReady
from keyferry.log import places
from keyferry.values import Fetched, Ref, Value

_LOG = logging.getLogger(__name__)
_LINGER_SECONDS = 0.02  # how long a batch that is not full waits for company, from the last that joined it
_LONGEST_LINGER_SECONDS = 0.2  # from the first that joined it
_COMPANY_SECONDS = 1.0  # the same while others of the store are being looked at, and may join
_CACHED_BYTES = 64 * 1024 * 1024  # in one store's cache, however many values it may keep
_CLOSED = "the store was closed while its values were being read"


@dataclass(slots=True)
class Cache:
    """Values by ref, the oldest out first. Times are the loop's, in seconds: when the call began that read them."""

    size: int
    age: float
    _kept: OrderedDict[Ref, tuple[float, Value]] = field(default_factory=OrderedDict, init=False)
    _bytes: int = field(default=0, init=False)

    def get(self, ref: Ref, version: str, now: float) -> Value | None:
        """The value at just that version, if it is kept and young enough."""
        kept = self._kept.get(ref)
        return kept[1] if kept and kept[1].version == version and now - kept[0] < self.age else None

    def since(self, ref: Ref, not_before: float, now: float) -> Value | None:
        """The value, if it is kept and was read by a call that began then or later."""
        kept = self._kept.get(ref)
        return kept[1] if kept and not_before <= kept[0] and now - kept[0] < self.age else None

    def put(self, ref: Ref, value: Value, now: float) -> None:
        """Keep a value, and let go of what is too old or too much."""
        if former := self._kept.pop(ref, None):
            self._bytes -= former[1].size
        self._kept[ref] = (now, value)
        self._bytes += value.size
        while self._kept and self._too_much(now):
            _, (_, gone) = self._kept.popitem(last=False)
            self._bytes -= gone.size

    def _too_much(self, now: float) -> bool:
        oldest = next(iter(self._kept.values()))[0]
        return len(self._kept) > self.size or self._bytes > _CACHED_BYTES or now - oldest >= self.age


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What one call reads."""

    began: float  # the loop's time
    futures: dict[Ref, "asyncio.Future[Fetched]"]


@dataclass(slots=True)
class Batcher:
    """Reads values by as few calls as the backend allows. One event loop owns it.

    `read` is the backend's fetch; `batch()` how many refs one call answers; `company()` whether more askers may come.
    """

    read: Callable[[Collection[Ref]], Awaitable[Mapping[Ref, Fetched]]]
    batch: Callable[[], int]
    company: Callable[[], bool] = lambda: False
    _waiting: dict[Ref, "asyncio.Future[Fetched]"] = field(default_factory=dict, init=False)
    _since: float = field(default=0.0, init=False)  # the loop's time when the first of those that wait came
    _timer: asyncio.TimerHandle | None = field(default=None, init=False)
    _fires: float = field(default=0.0, init=False)  # when; uvloop's handles cannot always tell
    _reading: dict[asyncio.Task[None], _Chunk] = field(default_factory=dict, init=False)
    _closed: bool = field(default=False, init=False)

    def under_way(self, refs: Collection[Ref]) -> dict[Ref, "asyncio.Future[Fetched]"]:
        """Answers that are on their way, to whoever asked for them earlier."""
        return self._begun_since(-math.inf, refs)

    async def join(self, answers: Mapping[Ref, "asyncio.Future[Fetched]"]) -> dict[Ref, Fetched]:
        """Wait for such answers: they may be a little older than the question."""
        if answers:
            await asyncio.wait(set(answers.values()))
        return {ref: future.result() for ref, future in answers.items()}

    async def fetch(self, refs: Collection[Ref], *, not_before: float = math.inf) -> dict[Ref, Fetched]:
        """An answer for every ref, of a call that began after this one, or at `not_before` or later."""
        if self._closed:
            return dict.fromkeys(refs, StoreNotReady(_CLOSED))
        loop = asyncio.get_running_loop()
        futures = self._begun_since(not_before, refs)
        if not self._waiting:
            self._since = loop.time()
        futures |= {ref: self._waiting.setdefault(ref, loop.create_future()) for ref in refs if ref not in futures}
        self._arm(loop)
        if futures:
            await asyncio.wait(set(futures.values()))
        return {ref: future.result() for ref, future in futures.items()}

    def _begun_since(self, not_before: float, refs: Collection[Ref]) -> dict[Ref, "asyncio.Future[Fetched]"]:
        chunks = [chunk for chunk in self._reading.values() if chunk.began >= not_before]
        return {ref: chunk.futures[ref] for chunk in chunks for ref in refs if ref in chunk.futures}

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        """Send what is full when all of this moment have asked, and give the rest a little time for company."""
        now, full = loop.time(), len(self._waiting) >= self.batch()
        if self._timer and (not self._waiting or self._fires > now):
            self._timer.cancel()
            self._timer = None
        if self._waiting and not self._timer:
            longest = _COMPANY_SECONDS if self.company() else _LONGEST_LINGER_SECONDS
            lingering = min(now + _LINGER_SECONDS, self._since + longest)
            self._fires = now if full else lingering
            self._timer = loop.call_at(self._fires, self._flush)

    def _flush(self) -> None:
        self._timer = None
        waited = asyncio.get_running_loop().time() - self._since
        expected = waited < _COMPANY_SECONDS and self.company()
        if len(self._waiting) < self.batch() and not expected:
            self._send(len(self._waiting))
        while self._waiting and len(self._waiting) >= self.batch():
            self._send(self.batch())
        self._arm(asyncio.get_running_loop())

    def _send(self, size: int) -> None:
        chunk = {ref: self._waiting.pop(ref) for ref in list(self._waiting)[: max(1, size)]}
        task = asyncio.create_task(self._one(chunk))
        self._reading[task] = _Chunk(asyncio.get_running_loop().time(), chunk)
        task.add_done_callback(self._done)

    async def _one(self, chunk: dict[Ref, "asyncio.Future[Fetched]"]) -> None:
        try:
            _answer(chunk, await self.read(chunk.keys()))
        except BaseException:
            _answer(
                chunk, dict.fromkeys(chunk, InternalError("the backend broke its contract; see the operator's log"))
            )
            raise

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._reading[task]
        if not task.cancelled() and (bug := task.exception()):
            _LOG.error("internal error in a backend; please report it: %s", places(bug))

    async def aclose(self) -> None:
        """Stop what is under way; whoever waits is told."""
        self._closed = True
        if self._timer:
            self._timer.cancel()
        for chunk in (self._waiting, *(each.futures for each in self._reading.values())):
            _answer(chunk, dict.fromkeys(chunk, StoreNotReady(_CLOSED)))
        self._waiting.clear()
        tasks = list(self._reading)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _answer(chunk: Mapping[Ref, "asyncio.Future[Fetched]"], answers: Mapping[Ref, Fetched]) -> None:
    unanswered = BackendUnavailable("the backend left this secret out of its answer")
    for ref, future in chunk.items():
        if not future.done():
            future.set_result(answers.get(ref, unanswered))
