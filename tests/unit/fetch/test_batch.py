"""Values in batches: how many calls they cost, and what becomes of answers that are none."""

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pytest

from keyferry.errors import BackendUnavailable, InternalError, SecretMissing, StoreNotReady
from keyferry.fetch.batch import Batcher
from keyferry.values import Fetched, Ref, Value

pytestmark = pytest.mark.looptime


def now() -> float:
    return asyncio.get_running_loop().time()


def refs(count: int, start: int = 0) -> list[Ref]:
    return [Ref(f"k{n}") for n in range(start, start + count)]


@dataclass
class Reads:
    """A backend's fetch: takes a second, answers what it is asked but for `left_out`, or raises."""

    left_out: frozenset[Ref] = frozenset()
    bug: BaseException | None = None
    calls: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    async def __call__(self, asked: Collection[Ref]) -> Mapping[Ref, Fetched]:
        self.calls.append(len(asked))
        self.times.append(now())
        await asyncio.sleep(1)
        if self.bug:
            raise self.bug
        return {ref: Value(ref.id.encode(), "1") for ref in asked if ref not in self.left_out}


def batcher(read: Reads, size: int = 20) -> Batcher:
    return Batcher(read, lambda: size)


async def asked(batch: Batcher, *groups: Collection[Ref]) -> list[dict[Ref, Fetched]]:
    return await asyncio.gather(*(batch.fetch(group) for group in groups))


@pytest.mark.parametrize(("count", "calls"), [(1, 1), (20, 1), (21, 2), (40, 2), (399, 20), (400, 20)])
async def test_many_who_ask_in_one_moment_cost_as_few_calls_as_the_backend_allows(count: int, calls: int):
    read = Reads()
    answers = await asked(batcher(read), *([ref] for ref in refs(count)))
    assert len(read.calls) == calls
    assert [answer[ref] for answer, ref in zip(answers, refs(count), strict=True)] == [
        Value(ref.id.encode(), "1") for ref in refs(count)
    ]


async def test_one_who_asks_for_many_costs_no_more():
    read = Reads()
    (answer,) = await asked(batcher(read), refs(50))
    assert sorted(read.calls) == [10, 20, 20]
    assert answer.keys() == set(refs(50))


async def asking(batch: Batcher, count: int, *, every: float) -> None:
    """So many ask for one each, one after another."""
    async with asyncio.TaskGroup() as group:
        for ref in refs(count):
            group.create_task(batch.fetch([ref]))
            await asyncio.sleep(every)


@pytest.mark.parametrize(("company", "calls"), [(True, [10]), (False, [1] * 10)])
async def test_a_batch_waits_for_those_who_may_come(company: bool, calls: list[int]):  # noqa: FBT001
    read = Reads()
    await asking(Batcher(read, lambda: 20, lambda: company and now() < 0.5), 10, every=0.03)
    assert read.calls == calls


async def test_a_batch_does_not_wait_for_ever():
    read = Reads()
    await asking(Batcher(read, lambda: 20, lambda: True), 1, every=0)
    assert read.times == [pytest.approx(5.0, abs=0.03)]


async def test_a_full_batch_waits_for_nobody():
    read = Reads()
    await asked(Batcher(read, lambda: 20, lambda: True), refs(20))
    assert read.times == [0]


async def test_500_who_ask_for_one_are_one_read():
    read = Reads()
    answers = await asked(batcher(read), *([Ref("k")] for _ in range(500)))
    assert read.calls == [1]
    assert {answer[Ref("k")] for answer in answers} == {Value(b"k", "1")}


async def test_whoever_asks_once_the_read_is_under_way_is_not_given_what_it_reads():
    read = Reads()
    batch = batcher(read)
    first = asyncio.create_task(batch.fetch([Ref("k")]))
    await asyncio.sleep(0.5)
    await batch.fetch([Ref("k")])
    await first
    assert read.times == [0.02, 0.52]


async def test_a_full_batch_does_not_wait():
    read = Reads()
    await asked(batcher(read), refs(20))
    assert read.times == [0]


async def test_a_batch_waits_for_company_while_some_comes_but_not_for_ever():
    read = Reads()
    batch = batcher(read, size=1000)
    async with asyncio.TaskGroup() as group:
        for ref in refs(50):
            group.create_task(batch.fetch([ref]))
            await asyncio.sleep(0.0156)
    assert read.calls[0] in range(10, 15)
    assert read.times[0] == pytest.approx(0.2)


async def test_nothing_asked_is_nothing_read():
    read = Reads()
    assert await batcher(read).fetch([]) == {}
    assert read.calls == []


async def test_versions_of_one_secret_are_different_questions():
    read = Reads()
    await asked(batcher(read), [Ref("k"), Ref("k", "2")])
    assert read.calls == [2]


async def test_what_an_answer_leaves_out_is_an_error_and_the_rest_is_the_rest():
    (answer,) = await asked(batcher(Reads(left_out=frozenset(refs(1)))), refs(2))
    assert isinstance(answer[Ref("k0")], BackendUnavailable)
    assert "left this secret out" in str(answer[Ref("k0")])
    assert answer[Ref("k1")] == Value(b"k1", "1")


async def test_an_expected_failure_is_the_answer_it_is():
    async def read(asked: Collection[Ref]) -> Mapping[Ref, Fetched]:
        return {ref: SecretMissing(ref.id) for ref in asked}

    answer = await Batcher(read, lambda: 20).fetch(refs(2))
    assert [str(answer[ref]) for ref in refs(2)] == ["k0", "k1"]


async def test_a_backend_that_raises_is_an_internal_error_for_all_of_its_batch_and_no_other():
    async def read(asked: Collection[Ref]) -> Mapping[Ref, Fetched]:
        if Ref("k0") in asked:
            raise ValueError("canary-9f3b")
        return {ref: Value(b"", "1") for ref in asked}

    answer = await Batcher(read, lambda: 2).fetch(refs(4))
    assert [type(answer[ref]) for ref in refs(4)] == [InternalError, InternalError, Value, Value]


@pytest.mark.parametrize("answer", [None, [1]], ids=["none", "a list"])
async def test_an_answer_that_is_none_keeps_nobody_waiting(answer: object):
    async def read(_: Collection[Ref]) -> Mapping[Ref, Fetched]:
        return answer  # type: ignore[return-value] # that is the bug

    got = await Batcher(read, lambda: 20).fetch(refs(1))
    assert isinstance(got[Ref("k0")], InternalError)


async def test_what_a_backend_raised_is_logged_by_its_frames_alone(caplog: pytest.LogCaptureFixture):
    await asked(batcher(Reads(bug=ValueError("canary-9f3b"))), refs(1))
    await asyncio.sleep(0)
    (record,) = caplog.records
    assert (record.levelno, "ValueError" in record.getMessage()) == (logging.ERROR, True)
    assert "canary" not in caplog.text


async def test_whoever_gives_up_takes_nothing_from_the_others():
    batch = batcher(Reads())
    impatient, patient = (asyncio.create_task(batch.fetch(refs(1))) for _ in range(2))
    await asyncio.sleep(0.5)
    impatient.cancel()
    assert (await patient)[Ref("k0")] == Value(b"k0", "1")


async def test_the_size_of_a_batch_is_asked_each_time():
    sizes = [20]
    read = Reads()
    batch = Batcher(read, lambda: sizes[0])
    await batch.fetch(refs(3))
    sizes[0] = 1
    await batch.fetch(refs(3))
    assert read.calls == [3, 1, 1, 1]


@pytest.mark.parametrize("after", [0.0, 0.01, 0.5], ids=["at once", "while it waits for company", "while it is read"])
async def test_closing_tells_whoever_waits(after: float):
    batch = batcher(Reads(), size=2)
    waiting = asyncio.create_task(batch.fetch(refs(3)))
    await asyncio.sleep(after)
    await batch.aclose()
    answers = await asyncio.wait_for(waiting, 1)
    assert {type(answer) for answer in answers.values()} == {StoreNotReady}
    assert now() == after


async def test_after_closing_nothing_is_read_any_more():
    read = Reads()
    batch = batcher(read)
    await batch.aclose()
    answers = await batch.fetch(refs(2))
    assert {type(answer) for answer in answers.values()} == {StoreNotReady}
    await asyncio.sleep(1)
    assert read.calls == []
