"""What is made at its first use."""

import asyncio

import pytest

from keyferry.backends.turns import AtFirstUse
from keyferry.errors import AuthFailed, BackendUnavailable, SyncError


class Workshop:
    """Makes numbers, as connections are made: it takes a while, and may fail."""

    def __init__(self) -> None:
        self.made = 0
        self.closed: list[int] = []
        self.fails: SyncError | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def make(self) -> int:
        self.made += 1
        await self.gate.wait()
        if self.fails:
            raise self.fails
        return self.made

    async def close(self, one: int) -> None:
        self.closed.append(one)


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


@pytest.fixture
def kept(workshop: Workshop) -> AtFirstUse[int]:
    return AtFirstUse(workshop.make, workshop.close)


async def test_it_is_made_once_for_all_who_need_it(workshop: Workshop, kept: AtFirstUse[int]):
    assert workshop.made == 0
    workshop.gate.clear()
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(kept.get()) for _ in range(5)]
        await asyncio.sleep(0)
        workshop.gate.set()
    assert [each.result() for each in asked] == [1] * 5
    assert await kept.get() == 1


async def test_what_cannot_be_made_is_tried_anew_by_the_next(workshop: Workshop, kept: AtFirstUse[int]):
    workshop.fails = AuthFailed("no")
    with pytest.raises(AuthFailed, match="no"):
        await kept.get()
    workshop.fails = None
    assert await kept.get() == 2


async def test_what_was_let_go_of_is_closed_and_made_anew(workshop: Workshop, kept: AtFirstUse[int]):
    await kept.let_go()
    await kept.get()
    await kept.let_go()
    assert workshop.closed == [1]
    assert await kept.get() == 2


async def test_after_the_end_nothing_is_made(workshop: Workshop, kept: AtFirstUse[int]):
    await kept.end()
    with pytest.raises(BackendUnavailable, match="the store changed in the meantime"):
        await kept.get()
    assert workshop.made == 0


async def test_what_is_made_while_it_ends_is_closed(workshop: Workshop, kept: AtFirstUse[int]):
    workshop.gate.clear()
    asked = asyncio.create_task(kept.get())
    await asyncio.sleep(0)
    await kept.end()
    workshop.gate.set()
    with pytest.raises(BackendUnavailable):
        await asked
    assert workshop.closed == [1]
