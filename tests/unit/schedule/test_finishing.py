"""What has begun is finished, though whoever waits for it is cancelled."""

import asyncio

import pytest

from keyferry.schedule.finishing import Finishing

pytestmark = pytest.mark.looptime(start=1000.0)


async def test_the_answer_is_that_of_the_work():
    async def work() -> int:
        return 7

    assert await Finishing()(work()) == 7


async def test_a_failure_is_the_callers():
    async def work() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await Finishing()(work())


async def cancelled_after(seconds: float, finishing: Finishing, done: list[str], takes: float) -> None:
    async def work() -> None:
        await asyncio.sleep(takes)
        done.append("done")

    async def call() -> None:
        await finishing(work())

    caller = asyncio.create_task(call())
    await asyncio.sleep(seconds)
    caller.cancel()
    await asyncio.wait({caller})


async def test_what_has_begun_goes_on_when_its_caller_is_cancelled():
    finishing, done = Finishing(), list[str]()
    await cancelled_after(1.0, finishing, done, takes=3.0)
    assert await finishing.settled(within=5.0)
    assert done == ["done"]


async def test_what_takes_too_long_is_cancelled():
    finishing, done = Finishing(), list[str]()
    await cancelled_after(1.0, finishing, done, takes=30.0)
    assert not await finishing.settled(within=5.0)
    await asyncio.sleep(100)
    assert done == []


async def test_where_nothing_has_begun_all_is_settled_at_once():
    assert await Finishing().settled(within=0.0)
