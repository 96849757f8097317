"""Who asks in one moment is read for together."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pytest

from keyferry.backends.kubernetes.reading import Bunches
from keyferry.errors import BackendUnavailable
from keyferry.values import Fetched, Value

pytestmark = pytest.mark.looptime


@dataclass
class Server:
    """Answers after a while with what was asked for, as it was then."""

    takes: float = 0.5
    bunches: list[list[str]] = field(default_factory=list)

    async def read(self, names: Collection[str]) -> Mapping[str, Fetched]:
        self.bunches.append(list(names))
        number = len(self.bunches)
        await asyncio.sleep(self.takes)
        return {name: Value(name.encode(), str(number)) for name in names}


async def test_all_of_one_moment_are_one_bunch():
    server = Server()
    bunches = Bunches(server.read)
    answers = await asyncio.gather(*(bunches.of([name]) for name in "abca"))
    assert server.bunches == [["a", "b", "c"]]
    assert [list(answer) for answer in answers] == [["a"], ["b"], ["c"], ["a"]]


async def test_who_comes_after_it_began_gets_an_answer_of_his_own():
    server = Server()
    bunches = Bunches(server.read)

    async def late() -> dict[str, Fetched]:
        await asyncio.sleep(0.1)
        return await bunches.of(["a"])

    first, second = await asyncio.gather(bunches.of(["a"]), late())
    assert [answer["a"] for answer in (first, second)] == [Value(b"a", "1"), Value(b"a", "2")]


async def test_as_long_as_others_come_it_waits_but_not_for_ever():
    server = Server()
    bunches = Bunches(server.read)

    async def at(moment: float) -> None:
        await asyncio.sleep(moment)
        await bunches.of([str(moment)])

    await asyncio.gather(*(at(n / 100) for n in range(200)))
    assert 50 <= len(server.bunches[0]) <= 110
    assert sum(map(len, server.bunches)) == 200


@pytest.mark.parametrize("moment", [0.001, 0.1], ids=["while it forms", "while it reads"])
async def test_who_joined_one_that_was_broken_off_is_told(moment: float):
    server = Server()
    bunches = Bunches(server.read)
    leader = asyncio.create_task(bunches.of(["a"]))
    await asyncio.sleep(0.001)
    follower = asyncio.create_task(bunches.of(["b"]))
    await asyncio.sleep(moment)
    leader.cancel()
    assert isinstance((await follower)["b"], BackendUnavailable)
    assert isinstance((await bunches.of(["b"]))["b"], Value)
