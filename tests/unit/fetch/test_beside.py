"""What waits for something to happen goes beside a store's budget: it has a time of its own and takes nobody's turn."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from keyferry.errors import BackendUnavailable, Throttled
from tests.unit.fetch.test_budget import START, budget, called, noting, now, throttling

pytestmark = pytest.mark.looptime(start=START)


async def test_what_waits_for_something_to_happen_keeps_no_call_waiting():
    limits = budget(concurrency=1)
    happens = asyncio.Event()
    waiting = asyncio.create_task(limits.beside("Poll", happens.wait, within=25))
    times: list[float] = []
    await called(limits, 2, noting(times))
    assert times == [0.0, 0.0]
    assert limits.longest_wait == 0
    happens.set()
    assert await waiting


async def test_it_has_its_own_time_and_no_more():
    limits = budget(timeout=5)
    with pytest.raises(BackendUnavailable, match="Poll took longer than 25 s"):
        await limits.beside("Poll", asyncio.Event().wait, within=25)
    assert now() == pytest.approx(25)


async def test_that_it_is_throttled_slows_nobody_down():
    limits = budget()
    with pytest.raises(Throttled):
        await limits.beside("Poll", throttling([], None), within=25)
    assert limits.rate == 10


@pytest.mark.parametrize(
    ("ends", "result"), [("well", "ok"), ("cancelled", "cancelled"), ("late", "BackendUnavailable")]
)
async def test_it_is_counted(ends: str, result: str):
    limits = budget(f"counted {ends}")
    poll = asyncio.create_task(limits.beside("Poll", asyncio.Event().wait if ends != "well" else noting([]), within=2))
    await asyncio.sleep(1)
    if ends == "cancelled":
        poll.cancel()
    await asyncio.wait({poll})
    assert poll.cancelled() or poll.exception() is None or ends == "late"
    labels = {"store": limits.store, "operation": "Poll", "result": result}
    assert REGISTRY.get_sample_value("keyferry_backend_calls_total", labels) == 1
