"""The queue: who is due, one at a time for each key, as many at once as allowed, whatever the work does."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from keyferry.schedule.worker import Queue

pytestmark = pytest.mark.looptime


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Work:
    """Work that takes `takes` seconds and is due again when `again` says; keeps a diary."""

    takes: float = 0.0
    again: Callable[[str], float | None] = lambda _: None
    bug: Exception | None = None
    begun: list[tuple[str, float]] = field(default_factory=list)
    dues: list[float] = field(default_factory=list)
    working: Counter[str] = field(default_factory=Counter)
    most_of_one: int = 0
    most_at_once: int = 0
    cancelled: int = 0

    async def __call__(self, key: str, due: float) -> float | None:
        self.begun.append((key, now()))
        self.dues.append(due)
        self.working[key] += 1
        self.most_of_one = max(self.most_of_one, self.working[key])
        self.most_at_once = max(self.most_at_once, self.working.total())
        try:
            await asyncio.sleep(self.takes)
            if self.bug:
                raise self.bug
            return self.again(key)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.working[key] -= 1

    @property
    def times(self) -> list[float]:
        return [round(time, 2) for _, time in self.begun]

    @property
    def keys(self) -> list[str]:
        return [key for key, _ in self.begun]


@asynccontextmanager
async def running(
    work: Callable[[str, float], Awaitable[float | None]], limit: int = 10, share: int = 1000
) -> AsyncIterator[Queue[str]]:
    """A queue for which keys with the same first letter are a group."""
    queue = Queue(work, limit, group=lambda key: key[0], share=share)
    task = asyncio.create_task(queue.run())
    await asyncio.sleep(0)
    try:
        yield queue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_nudged_key_is_worked_at_once():
    work = Work()
    async with running(work) as queue:
        queue.nudge("a")
        await asyncio.sleep(10)
    assert work.begun == [("a", 0.0)]
    assert work.dues == [0.0]


async def test_a_key_is_worked_when_it_is_due():
    work = Work()
    async with running(work) as queue:
        queue.nudge("late", at=7.5)
        queue.nudge("soon", at=2.5)
        await asyncio.sleep(10)
    assert work.begun == [("soon", 2.5), ("late", 7.5)]


@pytest.mark.parametrize("fraction", [1e-7, 3.3e-7, 4.99e-7, 7e-7])
async def test_a_moment_that_the_clock_cannot_tell_from_the_next_is_reached(fraction: float):
    work = Work()
    async with running(work) as queue:
        queue.nudge("a", at=5 + fraction)
        await asyncio.sleep(10)
    assert work.times == [5]


async def test_work_says_when_its_key_is_due_again():
    work = Work(again=lambda _: now() + 3)
    async with running(work) as queue:
        queue.nudge("a")
        await asyncio.sleep(10)
    assert work.times == [0, 3, 6, 9]


async def test_none_is_until_nudged():
    work = Work()
    async with running(work) as queue:
        queue.nudge("a")
        await asyncio.sleep(100)
        assert len(queue) == 0
        queue.nudge("a")
        await asyncio.sleep(100)
    assert work.times == [0, 100]


async def test_of_two_nudges_the_earlier_counts():
    work = Work()
    async with running(work) as queue:
        for at in (9.0, 4.0, 6.0):
            queue.nudge("a", at=at)
        await asyncio.sleep(20)
    assert work.times == [4]
    assert work.dues == [4]


async def test_many_nudges_of_one_moment_are_one():
    work = Work(again=lambda _: now() + 60)
    async with running(work) as queue:
        for _ in range(1000):
            queue.nudge("a")
        await asyncio.sleep(10)
    assert work.times == [0]


async def test_a_nudge_while_it_is_worked_means_once_more_afterwards():
    work = Work(takes=5, again=lambda _: now() + 100)
    async with running(work) as queue:
        queue.nudge("a")
        await asyncio.sleep(1)
        for _ in range(10):
            queue.nudge("a")
        await asyncio.sleep(60)
    assert work.times == [0, 5]
    assert work.dues == [0, 1]
    assert work.most_of_one == 1


async def test_a_nudge_for_later_while_it_is_worked_does_not_hide_an_earlier_due_time():
    work = Work(takes=5, again=lambda _: now() + 3)
    async with running(work) as queue:
        queue.nudge("a")
        await asyncio.sleep(1)
        queue.nudge("a", at=50)
        await asyncio.sleep(10)
    assert work.times[:2] == [0, 8]


async def test_a_nudge_forgets_the_later_due_time():
    work = Work(again=lambda _: now() + 10)
    async with running(work) as queue:
        queue.nudge("a")
        await asyncio.sleep(4)
        queue.nudge("a")
        await asyncio.sleep(15)
    assert work.times == [0, 4, 14]


@pytest.mark.parametrize(("limit", "expected"), [(1, 12.0), (3, 4.0), (100, 1.0)])
async def test_no_more_are_worked_at_once_than_allowed(limit: int, expected: float):
    work = Work(takes=1)
    async with running(work, limit) as queue:
        for n in range(12):
            queue.nudge(f"k{n}")
        await asyncio.sleep(100)
    assert work.most_at_once == min(limit, 12)
    assert max(work.times) + 1 == expected


async def test_who_has_waited_longest_goes_first():
    work = Work(takes=10)
    async with running(work, limit=1) as queue:
        queue.nudge("busy")
        await asyncio.sleep(1)
        for n, at in enumerate([5.0, 3.0, 4.0]):
            queue.nudge(f"k{n}", at=at)
        await asyncio.sleep(40)
    assert work.keys == ["busy", "k1", "k2", "k0"]


async def test_a_slow_key_keeps_no_other_waiting():
    work = Work(again=lambda _: now() + 1)
    slow = asyncio.Event()

    async def some_slow(key: str, due: float) -> float | None:
        if key == "slow":
            await slow.wait()
        return await work(key, due)

    async with running(some_slow) as queue:
        queue.nudge("slow")
        queue.nudge("quick")
        await asyncio.sleep(5.5)
    assert work.times == [0, 1, 2, 3, 4, 5]


async def test_work_that_raises_stops_neither_the_queue_nor_its_key():
    work = Work(bug=ValueError("canary-9f3b"))
    async with running(work) as queue:
        queue.nudge("a")
        await asyncio.sleep(61)
        queue.nudge("b")
        await asyncio.sleep(1)
    assert work.begun == [("a", 0.0), ("a", 60.0), ("b", 61.0)]


async def test_what_was_raised_is_logged_by_its_frames_alone(caplog: pytest.LogCaptureFixture):
    async with running(Work(bug=ValueError("canary-9f3b"))) as queue:
        queue.nudge("a")
        await asyncio.sleep(1)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "ValueError" in record.getMessage()
    assert "test_worker.py" in record.getMessage()
    assert "canary" not in caplog.text


async def test_a_nudge_survives_work_that_raises():
    work = Work(takes=2, bug=ValueError())
    async with running(work) as queue:
        queue.nudge("a")
        await asyncio.sleep(1)
        queue.nudge("a")
        await asyncio.sleep(5)
    assert work.times == [0, 2]


async def test_when_it_is_cancelled_what_runs_is_cancelled_too():
    work = Work(takes=100)
    async with running(work) as queue:
        for n in range(5):
            queue.nudge(f"k{n}")
        await asyncio.sleep(1)
        assert queue.running == 5
    assert work.cancelled == 5
    assert queue.running == 0


async def test_it_beats_though_nothing_is_due():
    async with running(Work()) as queue:
        await asyncio.sleep(60)
        assert now() - queue.beat <= 1


async def test_it_beats_though_everybody_is_busy():
    async with running(Work(takes=1000), limit=1) as queue:
        queue.nudge("a")
        queue.nudge("b")
        await asyncio.sleep(60)
        assert now() - queue.beat <= 1


async def test_thousands_of_keys_are_each_worked_at_their_time():
    work = Work(again=lambda _: now() + 60)
    async with running(work, limit=5000) as queue:
        for n in range(3000):
            queue.nudge(f"k{n}", at=n % 20)
        await asyncio.sleep(79.5)
        assert len(queue) == 3000
    assert set(Counter(work.keys).values()) == {2}
    assert work.most_of_one == 1


async def test_a_key_that_is_nudged_for_ever_leaves_no_heap_behind():
    work = Work(again=lambda _: 1e9)
    async with running(work) as queue:
        for n in range(100):
            queue.nudge(f"quiet{n}", at=1e9)
        for _ in range(1000):
            queue.nudge("busy")
            await asyncio.sleep(0.01)
        assert len(queue._heap) < 400
    assert work.keys.count("busy") == 1000


async def test_tidying_up_loses_no_key():
    work = Work(again=lambda key: 1e9 if key == "busy" else None)
    async with running(work) as queue:
        for n in range(10):
            queue.nudge(f"k{n}", at=500.0 + n)
        for _ in range(150):
            queue.nudge("busy")
            await asyncio.sleep(0.01)
        await asyncio.sleep(1500)
    assert sorted(set(work.keys)) == sorted([*(f"k{n}" for n in range(10)), "busy"])
    assert [time for key, time in work.begun if key != "busy"] == [500.0 + n for n in range(10)]


async def test_a_group_leaves_room_for_the_others():
    work = Work(takes=10)
    async with running(work, limit=4, share=2) as queue:
        for number in range(8):
            queue.nudge(f"a{number}")
        queue.nudge("b")
        await asyncio.sleep(5)
    assert sorted(work.keys) == ["a0", "a1", "b"]


async def test_those_held_back_follow_in_their_order():
    work = Work(takes=1)
    async with running(work, share=2) as queue:
        for number in range(6):
            queue.nudge(f"a{number}")
        await asyncio.sleep(10)
    assert work.keys == [f"a{number}" for number in range(6)]
    assert work.times == [0, 0, 1, 1, 2, 2]


async def test_one_held_back_that_belongs_elsewhere_by_now_waits_no_longer():
    work, moved = Work(takes=5), set[str]()
    queue = Queue(work, 10, group=lambda key: key in moved, share=1)
    task = asyncio.create_task(queue.run())
    for name in "abc":
        queue.nudge(name)
    await asyncio.sleep(1)
    moved.add("b")
    queue.nudge("b")
    await asyncio.sleep(20)
    assert work.begun == [("a", 0.0), ("b", 1.0), ("c", 5.0)]
    task.cancel()


async def test_one_held_back_that_is_nudged_again_is_worked_once():
    work = Work(takes=1)
    async with running(work, share=1) as queue:
        for key in ("a0", "a1", "a2"):
            queue.nudge(key)
        await asyncio.sleep(0.5)
        queue.nudge("a1", at=-1.0)
        await asyncio.sleep(10)
    assert sorted(work.keys) == ["a0", "a1", "a2"]


async def test_a_bug_gives_its_place_back():
    work = Work(bug=ValueError("no"))
    async with running(work, share=1) as queue:
        for key in ("a0", "a1"):
            queue.nudge(key)
        await asyncio.sleep(10)
    assert work.keys == ["a0", "a1"]
