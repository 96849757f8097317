"""One look at the catalogue, shared by all for whom it is fresh enough."""

import asyncio
from dataclasses import dataclass, field

import pytest

from keyferry.errors import AuthFailed, StoreNotReady
from keyferry.fetch.sweep import Sweeper
from keyferry.plan.snapshot import Snapshot

pytestmark = pytest.mark.looptime


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Catalogue:
    """Takes two seconds to look at; `failing` looks fail at their end."""

    taken: int = 0
    failing: int = 0
    error: Exception = field(default_factory=lambda: AuthFailed("no"))

    async def __call__(self) -> Snapshot:
        self.taken += 1
        started = now()
        await asyncio.sleep(2)
        if self.failing:
            self.failing -= 1
            raise self.error
        return Snapshot(started, {})


async def ask(sweeper: Sweeper, count: int = 1, *, not_before: float) -> list[Snapshot | BaseException]:
    asked = (sweeper.snapshot(not_before=not_before) for _ in range(count))
    return await asyncio.gather(*asked, return_exceptions=True)


async def asked_at(time: float, sweeper: Sweeper, *, not_before: float) -> Snapshot:
    await asyncio.sleep(time - now())
    return await sweeper.snapshot(not_before=not_before)


async def test_all_who_ask_in_one_moment_share_a_look():
    catalogue = Catalogue()
    answers = await ask(Sweeper(catalogue), 1000, not_before=0)
    assert catalogue.taken == 1
    assert len({id(answer) for answer in answers}) == 1


async def test_whoever_asks_while_it_is_taken_shares_it_where_it_began_late_enough():
    catalogue = Catalogue()
    sweeper = Sweeper(catalogue)
    async with asyncio.TaskGroup() as group:
        group.create_task(asked_at(0, sweeper, not_before=0))
        group.create_task(asked_at(1, sweeper, not_before=0))
    assert catalogue.taken == 1


async def test_whoever_needs_a_later_one_waits_for_the_next():
    catalogue = Catalogue()
    sweeper = Sweeper(catalogue)
    first = asyncio.create_task(sweeper.snapshot(not_before=0))
    later = await asked_at(1, sweeper, not_before=1)
    assert (await first).started == 0
    assert later.started == 2
    assert catalogue.taken == 2


async def test_all_who_need_the_next_share_that():
    catalogue = Catalogue()
    sweeper = Sweeper(catalogue)
    first = asyncio.create_task(sweeper.snapshot(not_before=0))
    await asyncio.sleep(1)
    await ask(sweeper, 100, not_before=1)
    await first
    assert catalogue.taken == 2


async def test_a_look_that_is_fresh_enough_is_not_taken_again():
    catalogue = Catalogue()
    sweeper = Sweeper(catalogue)
    await ask(sweeper, not_before=0)
    await asyncio.sleep(100)
    (answer,) = await ask(sweeper, not_before=0)
    assert catalogue.taken == 1
    assert answer is sweeper.last


async def test_a_look_that_is_too_old_is_taken_again():
    catalogue = Catalogue()
    sweeper = Sweeper(catalogue)
    await ask(sweeper, not_before=0)
    (answer,) = await ask(sweeper, not_before=2)
    assert isinstance(answer, Snapshot)
    assert answer.started >= 2
    assert catalogue.taken == 2


async def test_a_time_to_come_is_now():
    catalogue = Catalogue()
    sweeper = Sweeper(catalogue)
    await ask(sweeper, not_before=1e9)
    assert catalogue.taken == 1


async def test_a_failure_is_the_answer_of_all_who_would_have_shared_the_look():
    catalogue = Catalogue(failing=1)
    answers = await ask(Sweeper(catalogue), 10, not_before=0)
    assert {type(answer) for answer in answers} == {AuthFailed}
    assert catalogue.taken == 1


async def test_a_failure_of_an_older_look_is_not_the_answer_of_who_needs_a_later():
    catalogue = Catalogue(failing=1)
    sweeper = Sweeper(catalogue)
    first = asyncio.create_task(ask(sweeper, not_before=0))
    later = await asked_at(1, sweeper, not_before=1)
    assert isinstance((await first)[0], AuthFailed)
    assert later.started == 2


async def test_a_failure_leaves_the_last_look_as_it_was():
    catalogue = Catalogue()
    sweeper = Sweeper(catalogue)
    (good,) = await ask(sweeper, not_before=0)
    catalogue.failing = 1
    await ask(sweeper, not_before=2)
    assert sweeper.last is good


async def test_after_a_failure_the_next_who_asks_looks_anew():
    catalogue = Catalogue(failing=1)
    sweeper = Sweeper(catalogue)
    await ask(sweeper, not_before=0)
    (answer,) = await ask(sweeper, not_before=0)
    assert isinstance(answer, Snapshot)


async def test_whoever_gives_up_takes_nothing_from_the_others():
    catalogue = Catalogue()
    sweeper = Sweeper(catalogue)
    impatient = asyncio.create_task(sweeper.snapshot(not_before=0))
    patient = asyncio.create_task(sweeper.snapshot(not_before=0))
    await asyncio.sleep(1)
    impatient.cancel()
    assert (await patient).started == 0
    assert impatient.cancelled()
    assert catalogue.taken == 1


async def test_a_bug_that_nobody_waits_for_is_not_logged_with_what_it_quotes(caplog: pytest.LogCaptureFixture):
    sweeper = Sweeper(Catalogue(failing=1, error=ValueError("canary-9f3b")))
    alone = asyncio.create_task(sweeper.snapshot(not_before=0))
    await asyncio.sleep(1)
    alone.cancel()
    await asyncio.sleep(5)
    del alone
    assert "canary" not in caplog.text


async def test_closing_stops_the_look_and_tells_who_waits():
    sweeper = Sweeper(Catalogue())
    waiting = asyncio.create_task(ask(sweeper, 3, not_before=0))
    await asyncio.sleep(1)
    await sweeper.aclose()
    assert {type(answer) for answer in await waiting} == {StoreNotReady}
    assert now() == 1


async def test_after_closing_nothing_is_looked_at_any_more():
    catalogue = Catalogue()
    sweeper = Sweeper(catalogue)
    await sweeper.aclose()
    with pytest.raises(StoreNotReady, match="closed"):
        await sweeper.snapshot(not_before=0)
    assert catalogue.taken == 0


async def test_the_next_look_waits_until_the_pause_since_the_last_has_passed():
    catalogue = Catalogue()
    sweeper = Sweeper(catalogue, lambda: 10.0)
    first = await asked_at(0, sweeper, not_before=0)
    second = await asked_at(3, sweeper, not_before=3)
    assert (first.started, second.started, catalogue.taken) == (0.0, 10.0, 2)


async def test_all_who_come_during_the_pause_share_the_look_after_it():
    catalogue = Catalogue()
    sweeper = Sweeper(catalogue, lambda: 10.0)
    await asked_at(0, sweeper, not_before=0)
    looks = await asyncio.gather(*(asked_at(time, sweeper, not_before=time) for time in (3, 6, 9)))
    assert {look.started for look in looks} == {10.0}


async def test_it_is_handed_out_until_the_last_who_waited_has_it():
    sweeper, told = Sweeper(Catalogue()), []

    async def ask() -> None:
        await sweeper.snapshot(not_before=0)
        told.append(sweeper.handing_out)

    asks = [asyncio.create_task(ask()) for _ in range(3)]
    await asyncio.sleep(1)
    assert not sweeper.handing_out
    await asyncio.gather(*asks)
    assert told == [True, True, False]
