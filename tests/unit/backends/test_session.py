import asyncio
from dataclasses import dataclass, field

import pytest

from keyferry.backends.session import Grant, Lease, Session
from keyferry.errors import AuthFailed, BackendUnavailable, SyncError


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Counted:
    """A login that counts, and gives tokens of an hour, or fails."""

    life: float = 3600.0
    prolonged: float = 3600.0
    name: str = "the login"
    repeatable: bool = True
    renewable: bool = True
    asked: list[str] = field(default_factory=list)
    failures: dict[str, SyncError] = field(default_factory=dict)

    async def log_in(self) -> Grant:
        await self._ask("login")
        return Grant(f"token {self.asked.count('login')}", self.life, self.renewable)

    async def renew(self, token: str) -> Grant:
        await self._ask("renew")
        return Grant(token, self.prolonged, self.renewable)

    async def _ask(self, what: str) -> None:
        self.asked.append(what)
        await asyncio.sleep(0)
        if what in self.failures:
            raise self.failures[what]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def login() -> Counted:
    return Counted()


@pytest.fixture
def session(login: Counted, clock: Clock) -> Session:
    return Session(login, clock)


async def test_many_who_come_at_once_share_one_login(login: Counted, session: Session):
    leases = await asyncio.gather(*(session.fresh() for _ in range(10)))
    assert {each.token for each in leases} == {"token 1"}
    assert login.asked == ["login"]


@pytest.mark.parametrize(("life", "ahead"), [(3600.0, 300.0), (600.0, 60.0)])
async def test_a_token_is_renewed_when_it_nears_its_end(
    login: Counted, session: Session, clock: Clock, life: float, ahead: float
):
    login.life = login.prolonged = life
    await session.fresh()
    clock.now += life - ahead - 1
    await session.fresh()
    assert login.asked == ["login"]
    clock.now += 1
    await session.fresh()
    await session.fresh()
    assert login.asked == ["login", "renew"]


async def test_a_token_for_ever_is_never_renewed(login: Counted, session: Session, clock: Clock):
    login.life = 0
    await session.fresh()
    clock.now += 10**9
    await session.fresh()
    assert login.asked == ["login"]


async def test_a_token_that_cannot_be_renewed_is_replaced(login: Counted, session: Session, clock: Clock):
    login.renewable = False
    await session.fresh()
    clock.now += 3500
    assert (await session.fresh()).token == "token 2"
    assert login.asked == ["login", "login"]


async def test_a_renewal_that_gives_little_leads_to_a_new_login(login: Counted, session: Session, clock: Clock):
    login.prolonged = 400
    await session.fresh()
    clock.now += 3500
    assert (await session.fresh()).token == "token 2"
    assert login.asked == ["login", "renew", "login"]


async def test_a_token_that_has_ended_is_not_renewed_but_replaced(login: Counted, session: Session, clock: Clock):
    await session.fresh()
    clock.now += 3600
    assert (await session.fresh()).token == "token 2"
    assert login.asked == ["login", "login"]


async def test_a_given_token_lives_on_the_little_that_a_renewal_gives(login: Counted, session: Session, clock: Clock):
    login.repeatable, login.prolonged = False, 400
    await session.fresh()
    clock.now += 3500
    assert (await session.fresh()).token == "token 1"
    assert login.asked == ["login", "renew"]


async def test_an_outage_at_renewal_costs_nothing_until_the_end(login: Counted, session: Session, clock: Clock):
    await session.fresh()
    login.failures["renew"] = BackendUnavailable("down")
    clock.now += 3500
    assert (await session.fresh()).token == "token 1"
    assert (await session.fresh()).token == "token 1"
    assert login.asked == ["login", "renew"]
    login.failures["login"] = BackendUnavailable("down, too")
    clock.now += 100
    with pytest.raises(BackendUnavailable, match="too"):
        await session.fresh()


async def test_a_login_that_fails_is_told_and_tried_again_after_a_second(
    login: Counted, session: Session, clock: Clock
):
    login.failures["login"] = AuthFailed("no")
    for _ in range(3):
        with pytest.raises(AuthFailed, match="no"):
            await session.fresh()
    assert login.asked == ["login"]
    clock.now += 1.0
    del login.failures["login"]
    assert (await session.fresh()).token == "token 2"


async def test_a_spent_token_is_replaced_once_for_all_who_met_it(login: Counted, session: Session):
    spent = await session.fresh()
    others = await asyncio.gather(*(session.instead_of(spent, certainly=True) for _ in range(10)))
    assert {each.token for each in others if each} == {"token 2"}
    assert login.asked == ["login", "login"]


async def test_a_given_token_cannot_be_replaced(login: Counted, session: Session):
    login.repeatable = False
    spent = await session.fresh()
    assert await session.instead_of(spent, certainly=True) is None
    assert login.asked == ["login"]


async def test_a_token_that_was_doubted_is_trusted_for_a_while_but_not_when_it_is_refused(
    login: Counted, session: Session, clock: Clock
):
    doubted = await session.instead_of(await session.fresh(), certainly=False)
    assert doubted
    assert await session.instead_of(doubted, certainly=False) is None
    assert login.asked == ["login", "login"]
    clock.now += 300
    assert await session.instead_of(doubted, certainly=False)
    assert login.asked == ["login"] * 3


async def test_a_refused_token_is_replaced_however_it_was_trusted(login: Counted, session: Session):
    doubted = await session.instead_of(await session.fresh(), certainly=False)
    assert doubted
    assert await session.instead_of(doubted, certainly=True)
    assert login.asked == ["login"] * 3


async def test_a_failing_replacement_is_shared_and_told_to_whoever_comes_next(login: Counted, session: Session):
    spent = await session.fresh()
    login.failures["login"] = AuthFailed("no")
    got = await asyncio.gather(*(session.instead_of(spent, certainly=True) for _ in range(5)), return_exceptions=True)
    assert [type(each) for each in got] == [AuthFailed] * 5
    with pytest.raises(AuthFailed):
        await session.instead_of(spent, certainly=True)
    with pytest.raises(AuthFailed):
        await session.fresh()
    assert login.asked == ["login", "login"]


def test_a_token_is_shown_by_nothing():
    assert "canary" not in repr(Grant("canary")) + repr(Lease.of(Grant("canary", 10), 0.0))
