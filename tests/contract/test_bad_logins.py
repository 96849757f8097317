"""Bad input for each login: wrong secret, expired token, unknown tenant, unreachable address, untrusted CA, clock off.

The condition says which, within the timeout. The table is in `bad_logins`, and each of its cells is a test here.
"""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from keyferry.api.providers import Provider
from keyferry.api.providers.sql import DIALECTS
from keyferry.backends.base import Backend
from keyferry.errors import BackendUnavailable, SyncError
from keyferry.values import Ref
from tests.contract.bad_logins import TABLES, sql
from tests.contract.bad_logins.listening import FAULTS, showing, silence
from tests.contract.bad_logins.table import Bad, Login, Scene, Table, Way, World
from tests.servers import certificates

ROWS = [(f"{name}-{of}", table, login) for name, table in TABLES.items() for of, login in table.logins.items()]
LED = [pytest.param(table, login, id=name) for name, table, login in ROWS if login.at]
SECURED = [pytest.param(table, login, id=name) for name, table, login in ROWS if login.at and login.begin]
CELLS = [
    pytest.param(table, bad, id="-".join(filter(None, (name, case, bad.name))))
    for name, table, login in ROWS
    for case, cell in login.cells.items()
    for bad in (() if isinstance(cell, str) else cell)
]
BUSY = 2.5  # seconds that a busy machine takes for what takes none
PATIENCE = 5.0  # of a store; an SDK has nine tenths of it, so that its error, which names the address, comes first


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        yield Scene(stack, tmp_path, monkeypatch)


async def failures(backend: Backend, ref: Ref, lacking: str) -> list[SyncError]:
    """What the store says when it is read, and at once when it is checked, unless that only tells what is lacking."""

    async def checked() -> list[SyncError]:
        if lacking:
            assert lacking in "".join((await backend.check()).lacking)
            return []
        with pytest.raises(SyncError) as told:
            await backend.check()
        return [told.value]

    async with aclosing(backend), asyncio.TaskGroup() as both:
        check, read = both.create_task(checked()), both.create_task(backend.fetch([ref]))
    answer = read.result()[ref]
    assert isinstance(answer, SyncError)
    return [answer, *check.result()]


async def said(backend: Backend, ref: Ref, bad: Bad, within: float) -> None:
    """The condition says this, in so many seconds, and nothing of what is secret."""
    began = time.monotonic()
    told = await failures(backend, ref, bad.lacking)
    assert time.monotonic() - began < within + BUSY
    for each in told:
        assert isinstance(each, bad.kind), each
        assert bad.words in str(each)
        assert "canary" not in "".join(traceback.format_exception(each))


@pytest.mark.parametrize(("table", "bad"), CELLS)
async def test_what_is_wrong_is_told(scene: Scene, table: Table, bad: Bad):
    world = await scene.stack.enter_async_context(table.world(scene))
    backend = bad.make(world)
    await said(backend, world.ref, replace(bad, words=bad.words.format(world=world)), Way("").timeout)


@pytest.mark.parametrize(("table", "login"), LED)
async def test_an_address_that_does_not_answer_is_told_within_the_timeout(scene: Scene, table: Table, login: Login):
    world = await scene.stack.enter_async_context(table.world(scene))
    nobody = Way("127.0.0.1:1")
    silent = Way(scene.stack.enter_context(silence()), timeout=PATIENCE)
    for way, words in ((nobody, table.nobody), (silent, table.silence)):
        bad = Bad(partial(led, login, way), words.format(address=way.address), BackendUnavailable)
        await said(bad.make(world), world.ref, bad, way.timeout)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("table", "login"), SECURED)
async def test_what_is_wrong_with_a_certificate_is_told(scene: Scene, table: Table, login: Login, fault: str):
    assert login.begin
    made, words = FAULTS[fault]
    world = await scene.stack.enter_async_context(table.world(scene))
    shown, other = scene.folder / "shown", scene.folder / "other"
    for folder in (shown, other):
        folder.mkdir()
    address, authority = scene.stack.enter_context(showing(shown, login.begin, **made))
    way = Way(address, authority if made else certificates.write(other))
    bad = Bad(partial(led, login, way), words, BackendUnavailable)
    await said(bad.make(world), world.ref, bad, way.timeout)


def led(login: Login, way: Way, world: World) -> Backend:
    """A store with nothing wrong but where it is led to, and whom it trusts there."""
    assert login.at
    made: Backend = login.at(world, way)
    return made


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_each_login_that_a_provider_offers_has_each_case(table: Table):
    assert {name.partition(" ")[0] for name in table.logins} == table.offered
    assert {name: lacking for name, login in table.logins.items() if (lacking := login.lacks())} == {}


def test_each_provider_has_its_table():
    assert {name.partition(" ")[0] for name in TABLES} == set(Provider.model_fields)


def test_each_kind_of_database_has_its_table():
    assert set(sql.TABLES) == set(DIALECTS)
