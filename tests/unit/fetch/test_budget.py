"""A store's budget: rate, concurrency, timeout, and patience where the backend asks for it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from prometheus_client import REGISTRY

from keyferry.errors import AuthFailed, BackendUnavailable, Throttled
from keyferry.fetch.budget import Budget

START = 1000.0
pytestmark = pytest.mark.looptime(start=START)


def now() -> float:
    """Seconds since the test began."""
    return asyncio.get_running_loop().time() - START


def budget(store: str = "store", *, per_second: float = 10, concurrency: int = 100, timeout: float = 5) -> Budget:
    return Budget(store, per_second, concurrency, timeout)


def noting(times: list[float], takes: float = 0.0) -> Callable[[], Awaitable[None]]:
    async def call() -> None:
        times.append(round(now(), 3))
        await asyncio.sleep(takes)

    return call


def throttling(times: list[float], retry_after: float | None, takes: float = 0.0) -> Callable[[], Awaitable[None]]:
    async def call() -> None:
        times.append(round(now(), 3))
        await asyncio.sleep(takes)
        raise Throttled("slow down", retry_after=retry_after)

    return call


async def called(limits: Budget, count: int, call: Callable[[], Awaitable[None]]) -> list[object]:
    return await asyncio.gather(*(limits("Get", call) for _ in range(count)), return_exceptions=True)


async def used_up(limits: Budget) -> None:
    """Take the second's worth that may go at once, so that from now on every call waits for its turn."""
    await called(limits, int(limits.per_second), noting([]))


def throughput(times: list[float], start: float, seconds: float) -> int:
    return sum(start <= time < start + seconds for time in times)


async def test_what_a_call_answers_is_what_its_asker_gets():
    async def call() -> str:
        return "answer"

    assert await budget()("Get", call) == "answer"


async def test_after_a_quiet_time_almost_a_seconds_worth_goes_at_once_and_then_one_by_one():
    times: list[float] = []
    await called(budget(), 25, noting(times))
    assert times[:8] == [0.0] * 8
    assert times[8:] == pytest.approx([n / 10 for n in range(1, 18)])


@pytest.mark.parametrize("per_second", [0.2, 1, 3])
async def test_however_few_are_allowed_the_first_after_a_quiet_time_goes_at_once(per_second: float):
    times: list[float] = []
    await called(budget(per_second=per_second), 1, noting(times))
    assert times == [0.0]


async def test_in_the_long_run_the_rate_is_kept():
    times: list[float] = []
    await called(budget(per_second=5), 200, noting(times))
    assert all(throughput(times, start, 10) <= 50 for start in range(1, 30))
    assert times[-1] == pytest.approx((200 - 5) / 5, abs=0.3)


async def test_no_more_calls_run_at_once_than_allowed():
    times: list[float] = []
    await called(budget(per_second=1000, concurrency=3), 9, noting(times, takes=1))
    assert times == [0, 0, 0, 1, 1, 1, 2, 2, 2]


async def test_a_slow_call_holds_one_slot_and_no_other():
    times: list[float] = []
    limits = budget(per_second=1000, concurrency=2, timeout=100)
    slow = asyncio.create_task(limits("Slow", noting([], takes=50)))
    await asyncio.sleep(0)
    await called(limits, 20, noting(times, takes=1))
    assert times == list(range(20))
    assert not slow.done()
    await slow


async def test_a_call_that_takes_too_long_is_given_up_with_an_error_that_names_the_field():
    with pytest.raises(BackendUnavailable, match=r"Get took longer than 5 s \(refresh\.timeout\)"):
        await budget()("Get", noting([], takes=6))
    assert now() == 5


async def test_a_call_that_was_given_up_frees_its_slot():
    times: list[float] = []
    limits = budget(concurrency=1, timeout=2)
    await called(limits, 3, noting(times, takes=100))
    assert times == [0, 2, 4]


async def test_the_time_waited_for_a_turn_does_not_count_as_the_calls():
    limits = budget(per_second=1, timeout=2)
    assert await called(limits, 10, noting([], takes=1.5)) == [None] * 10


async def test_what_a_call_raises_is_what_its_asker_gets():
    async def call() -> None:
        raise AuthFailed("no")

    with pytest.raises(AuthFailed, match="no"):
        await budget()("Get", call)


@pytest.mark.parametrize("wait", [0.5, 7.0, 120.0])
async def test_retry_after_is_law_for_who_asks_later(wait: float):
    times: list[float] = []
    limits = budget()
    await called(limits, 1, throttling([], wait))
    await called(limits, 5, noting(times))
    assert min(times) >= wait


async def test_retry_after_is_law_for_who_has_his_turn_already():
    times: list[float] = []
    limits = budget(per_second=1)
    await used_up(limits)
    waiting = asyncio.create_task(called(limits, 3, noting(times)))
    await asyncio.sleep(0.5)
    limits._slow_down(30.0, now() + START)
    await waiting
    assert min(times) >= 30.5


async def test_after_a_pause_calls_come_one_by_one():
    times: list[float] = []
    limits = budget(per_second=2)
    await called(limits, 1, throttling([], 10))
    await called(limits, 5, noting(times))
    assert [b - a >= 0.9 for a, b in pairwise(times)] == [True] * 4


async def test_a_backend_that_does_not_say_how_long_gets_a_short_pause():
    times: list[float] = []
    limits = budget()
    await called(limits, 1, throttling([], None))
    await called(limits, 1, noting(times))
    assert 0.5 <= times[0] < 1


async def test_who_would_have_to_wait_for_very_long_is_told_so_and_the_backend_is_not_asked():
    times: list[float] = []
    limits = budget()
    await called(limits, 1, throttling([], 2000))
    (told,) = await called(limits, 1, noting(times))
    assert str(told) == "the backend asked to be left alone for 2000 s, which are not over"
    assert isinstance(told, Throttled)
    await asyncio.sleep(1800)
    await called(limits, 1, noting(times))
    assert times == [pytest.approx(2000, abs=0.3)]


async def test_a_pause_is_not_shortened_by_what_was_under_way():
    times: list[float] = []
    limits = budget()
    await asyncio.gather(
        called(limits, 1, throttling([], 2000, takes=1)), called(limits, 1, throttling([], None, takes=2))
    )
    assert isinstance((await called(limits, 1, noting(times)))[0], Throttled)
    assert times == []


async def test_no_pause_is_longer_than_an_hour():
    times: list[float] = []
    limits = budget()
    await called(limits, 1, throttling([], 1e9))
    await asyncio.sleep(3500)
    await called(limits, 1, noting(times))
    assert times[0] == pytest.approx(3600, abs=0.3)


async def test_throttling_halves_the_rate():
    times: list[float] = []
    limits = budget()
    await used_up(limits)
    await called(limits, 1, throttling([], 0))
    await called(limits, 4, noting(times))
    assert all(0.15 < b - a < 0.21 for a, b in pairwise(times))


async def test_a_budget_goes_on_from_that_of_the_same_store_before_it_was_edited():
    times: list[float] = []
    former, limits = budget(), budget(per_second=100)
    await called(former, 1, throttling([], 100))
    limits.go_on_from(former)
    await called(limits, 3, noting(times))
    assert min(times) >= 100
    assert limits.rate < 15


async def test_who_was_never_throttled_has_nothing_to_go_on_from():
    former, limits = budget(), budget(per_second=100)
    await called(former, 3, noting([]))
    limits.go_on_from(former)
    assert limits.rate == 100


async def test_one_moment_of_throttling_halves_the_rate_once_however_many_calls_met_it():
    limits = budget()
    answers = await called(limits, 8, throttling([], 0, takes=1))
    assert {type(answer) for answer in answers} == {Throttled}
    assert limits.rate == 5


async def test_throttling_again_and_again_never_stops_the_store():
    limits = budget(per_second=1)
    for _ in range(50):
        await called(limits, 1, throttling([], 0))
    times: list[float] = []
    await called(limits, 2, noting(times))
    assert times[1] - times[0] <= 10.5


async def test_good_calls_give_the_rate_back_and_not_more():
    limits = budget()
    await called(limits, 1, throttling([], 0))
    await called(limits, 20, noting([]))
    assert 5 < limits.rate < 10
    await called(limits, 200, noting([]))
    assert limits.rate == 10


async def test_quiet_gives_the_rate_back_too():
    limits = budget()
    await called(limits, 1, throttling([], 0))
    await asyncio.sleep(3600)
    await called(limits, 2, noting([]))
    assert limits.rate == 9.5
    await asyncio.sleep(3600)
    await called(limits, 1, noting([]))
    assert limits.rate == 10


@dataclass
class Bucket:
    """A backend that bears so many calls a second, and a second's worth at once; keeps a diary of its refusals."""

    bears: float
    left: float = 0.0
    filled_at: float = 0.0
    refused: list[float] = field(default_factory=list)

    async def __call__(self) -> None:
        self.left = min(self.bears, self.left + (now() - self.filled_at) * self.bears)
        self.filled_at = now()
        if self.left < 1:
            self.refused.append(now())
            await asyncio.sleep(0.02)
            raise Throttled("slower")
        self.left -= 1
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("per_second", [50, 60, 10000])
@pytest.mark.parametrize(("concurrency", "total"), [(8, 300), (8, 1000), (32, 1000)])
async def test_what_a_backend_bears_is_found_soon_and_used(per_second: int, concurrency: int, total: int):
    backend, limits, left = Bucket(50.0, left=50.0), budget(per_second=per_second, concurrency=concurrency), total

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            try:
                await limits("Get", backend)
            except Throttled:
                left += 1

    await asyncio.gather(*(worker() for _ in range(100)))
    assert len([time for time in backend.refused if time > 1]) <= 0.01 * total
    assert now() <= 1.15 * (total - 50) / 50
    assert per_second > 50 or not backend.refused


async def test_failures_give_no_rate_back():
    async def call() -> None:
        raise BackendUnavailable("down")

    limits = budget()
    await called(limits, 1, throttling([], 0))
    await called(limits, 20, call)
    assert limits.rate == 5


async def test_every_call_is_counted_answered_or_not():
    limits = budget()
    await called(limits, 2, noting([]))
    await called(limits, 1, throttling([], 0))
    await called(limits, 1, noting([], takes=100))
    assert limits.calls == {"Get": 4}


@pytest.mark.parametrize(
    ("call", "result"),
    [(noting([]), "ok"), (throttling([], 0), "BackendThrottled"), (noting([], 99), "BackendUnavailable")],
    ids=["ok", "throttled", "slow"],
)
async def test_metrics_tell_how_a_call_ended(call: Callable[[], Awaitable[None]], result: str):
    labels = {"store": f"metrics {result}", "operation": "Get", "result": result}
    await called(budget(labels["store"]), 1, call)
    assert REGISTRY.get_sample_value("keyferry_backend_calls_total", labels) == 1


async def test_metrics_tell_how_long_calls_took_and_waited():
    labels = {"store": "metrics of time"}
    await called(budget(labels["store"], per_second=1), 3, noting([], takes=2))
    assert REGISTRY.get_sample_value("keyferry_store_budget_wait_seconds_total", labels) == 1 + 2
    took = REGISTRY.get_sample_value("keyferry_backend_call_seconds_sum", {**labels, "operation": "Get"})
    assert took == pytest.approx(6)


async def test_whoever_is_cancelled_while_waiting_leaves_his_slot():
    limits, times = budget(per_second=1000, concurrency=1, timeout=1000), list[float]()
    long = asyncio.create_task(limits("Get", noting([], takes=10)))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(limits("Get", noting(times)))
    await asyncio.sleep(1)
    waiting.cancel()
    long.cancel()
    await asyncio.gather(long, waiting, return_exceptions=True)
    await called(limits, 1, noting(times))
    assert times == [1]


async def test_it_tells_how_long_the_first_has_been_waiting():
    limits = budget(concurrency=1, timeout=100)
    assert limits.longest_wait == 0
    calls = asyncio.create_task(called(limits, 3, noting([], takes=10)))
    await asyncio.sleep(5)
    assert limits.longest_wait == 5
    await asyncio.sleep(10)
    assert limits.longest_wait == 15
    await calls
    assert limits.longest_wait == 0


async def test_who_stops_waiting_takes_no_slot_with_him():
    limits = budget(per_second=1, concurrency=1)
    await used_up(limits)
    waiting = asyncio.create_task(limits("Get", noting([])))
    await asyncio.sleep(0.5)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert limits.longest_wait == 0
    assert await called(limits, 1, noting([])) == [None]
