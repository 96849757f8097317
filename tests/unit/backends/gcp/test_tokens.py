"""The wallet: a token is renewed ahead of its end, by one for all, and an outage of logins costs nothing at first."""

import asyncio
from dataclasses import dataclass

import pytest

from keyferry.backends.gcp.tokens import Bearer, Wallet
from keyferry.errors import AuthFailed, BackendUnavailable, SyncError


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Counted:
    """A login that counts, and gives tokens of an hour, or fails."""

    clock: Clock
    life: float = 3600.0
    name: str = "the login"
    logins: int = 0
    failure: SyncError | None = None

    async def bearer(self) -> Bearer:
        self.logins += 1
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        return Bearer.lasting(f"token-{self.logins}", self.life, self.clock.now)

    async def aclose(self) -> None:
        """Nothing to close."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def login(clock: Clock) -> Counted:
    return Counted(clock)


@pytest.fixture
def wallet(login: Counted, clock: Clock) -> Wallet:
    return Wallet(login, clock)


async def test_many_share_one_login(login: Counted, wallet: Wallet):
    tokens = await asyncio.gather(*(wallet.current() for _ in range(20)))
    assert (login.logins, {token.text for token in tokens}) == (1, {"token-1"})


@pytest.mark.parametrize(("life", "ahead"), [(3600, 300), (900, 90), (10, 1)])
async def test_a_token_is_renewed_five_minutes_or_a_tenth_of_its_life_ahead(
    login: Counted, wallet: Wallet, clock: Clock, life: float, ahead: float
):
    login.life = life
    await wallet.current()
    clock.now += life - ahead - 0.1
    await wallet.current()
    assert login.logins == 1
    clock.now += 0.2
    assert (await wallet.current()).text == "token-2"


async def test_a_failing_login_is_shared_and_tried_again_by_the_next(login: Counted, wallet: Wallet):
    login.failure = AuthFailed("no")
    failures = await asyncio.gather(*(wallet.current() for _ in range(5)), return_exceptions=True)
    assert [str(failure) for failure in failures] == ["no"] * 5
    assert login.logins == 1
    login.failure = None
    assert (await wallet.current()).text == "token-2"


async def test_a_token_that_cannot_be_renewed_serves_until_it_expires(login: Counted, wallet: Wallet, clock: Clock):
    await wallet.current()
    login.failure = BackendUnavailable("STS is down")
    clock.now += 3500
    assert (await wallet.current()).text == "token-1"
    assert (await wallet.current()).text == "token-1"
    assert login.logins == 2  # and in half a minute again
    clock.now += 101
    with pytest.raises(BackendUnavailable):
        await wallet.current()


async def test_a_token_that_was_refused_is_replaced_once_for_all(login: Counted, wallet: Wallet):
    spent = await wallet.current()
    tokens = await asyncio.gather(*(wallet.another(spent) for _ in range(5)))
    assert (login.logins, {token.text for token in tokens}) == (2, {"token-2"})


async def test_a_token_that_serves_on_and_is_then_refused_is_replaced(login: Counted, wallet: Wallet, clock: Clock):
    await wallet.current()
    login.failure = BackendUnavailable("STS is down")
    clock.now += 3500
    serving = await wallet.current()
    login.failure = None
    assert (await wallet.another(serving)).text == "token-3"


async def test_a_refused_token_does_not_serve_on_where_logging_in_fails(login: Counted, wallet: Wallet):
    spent = await wallet.current()
    login.failure = AuthFailed("no")
    with pytest.raises(AuthFailed):
        await wallet.another(spent)


async def test_a_login_that_is_cancelled_is_no_outcome(login: Counted, wallet: Wallet):
    task = asyncio.create_task(wallet.current())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await wallet.current()).text == "token-2"


def test_no_token_is_shown():
    assert "canary" not in repr(Bearer("canary", 0.0, 0.0))
