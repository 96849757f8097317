import asyncio
from dataclasses import dataclass, field

import pytest

from keyferry.backends.aws.keys import Keys, Wallet
from keyferry.errors import AuthFailed, BackendUnavailable, SyncError


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Counted:
    """A login that counts, and gives keys of an hour, or fails."""

    clock: Clock
    life: float | None = 3600.0
    name: str = "the login"
    renewable: bool = True
    logins: int = 0
    failure: SyncError | None = None
    slow: asyncio.Event | None = None
    anew: list[bool] = field(default_factory=list)

    async def keys(self, *, anew: bool = False) -> Keys:
        self.logins += 1
        self.anew.append(anew)
        if self.slow:
            await self.slow.wait()
        if self.failure:
            raise self.failure
        name = f"key-{self.logins}"
        if self.life is None:
            return Keys(name, "s")
        return Keys.lasting_until(self.clock.now + self.life, self.clock.now, id=name, secret="s", token="t")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def login(clock: Clock) -> Counted:
    return Counted(clock)


@pytest.fixture
def wallet(login: Counted, clock: Clock) -> Wallet:
    return Wallet(login, clock)


async def test_keys_that_last_are_asked_for_once(login: Counted, wallet: Wallet, clock: Clock):
    login.life = None
    await wallet.fresh()
    clock.now += 10**9
    await wallet.fresh()
    assert login.logins == 1


@pytest.mark.parametrize(("life", "ahead"), [(3600, 300), (900, 90), (10, 1)])
async def test_keys_are_renewed_five_minutes_or_a_tenth_of_their_life_ahead(
    login: Counted, wallet: Wallet, clock: Clock, life: float, ahead: float
):
    login.life = life
    await wallet.fresh()
    clock.now += life - ahead - 0.1
    await wallet.fresh()
    assert login.logins == 1
    clock.now += 0.2
    await wallet.fresh()
    assert (login.logins, wallet.current.id) == (2, "key-2")


async def test_whoever_needs_keys_at_once_shares_one_login(login: Counted, wallet: Wallet):
    await asyncio.gather(*(wallet.fresh() for _ in range(20)))
    assert login.logins == 1


async def test_whoever_waits_for_a_login_shares_its_failure(login: Counted, wallet: Wallet):
    login.failure, login.slow = AuthFailed("no"), asyncio.Event()
    waiting = [asyncio.ensure_future(wallet.fresh()) for _ in range(20)]
    await asyncio.sleep(0)
    login.slow.set()
    got = await asyncio.gather(*waiting, return_exceptions=True)
    assert {str(error) for error in got} == {"no"}
    assert login.logins == 1


async def test_a_failed_login_is_tried_again_by_who_comes_later(login: Counted, wallet: Wallet):
    login.failure = AuthFailed("no")
    with pytest.raises(AuthFailed):
        await wallet.fresh()
    login.failure = None
    await wallet.fresh()
    assert wallet.current.id == "key-2"


async def test_a_login_whose_owner_is_cancelled_is_taken_over(login: Counted, wallet: Wallet):
    login.slow = asyncio.Event()
    first, second = asyncio.ensure_future(wallet.fresh()), asyncio.ensure_future(wallet.fresh())
    await asyncio.sleep(0)
    first.cancel()
    login.slow.set()
    await second
    assert wallet.current.id == "key-2"


async def test_keys_that_cannot_be_renewed_serve_until_they_expire(login: Counted, wallet: Wallet, clock: Clock):
    await wallet.fresh()
    login.failure = BackendUnavailable("STS is down")
    clock.now += 3400
    await wallet.fresh()
    assert wallet.current.id == "key-1"
    await wallet.fresh()
    assert login.logins == 2, "and is not asked again at once"
    clock.now += 31
    await wallet.fresh()
    assert login.logins == 3
    clock.now += 300
    with pytest.raises(BackendUnavailable):
        await wallet.fresh()


async def test_spent_keys_are_replaced_once_for_all_who_meet_them(login: Counted, wallet: Wallet):
    await wallet.fresh()
    spent = wallet.current
    await asyncio.gather(*(wallet.renew(spent) for _ in range(20)))
    await wallet.renew(spent)
    assert (login.logins, login.anew) == (2, [False, True])


async def test_spent_keys_that_cannot_be_replaced_are_tried_once_until_the_next_round(login: Counted, wallet: Wallet):
    await wallet.fresh()
    spent = wallet.current
    login.failure = AuthFailed("no")
    for _ in range(3):
        with pytest.raises(AuthFailed, match="no"):
            await wallet.renew(spent)
    assert login.logins == 2
    login.failure = None
    await wallet.fresh()
    assert wallet.current.id == "key-3"


async def test_while_spent_keys_are_replaced_nobody_is_without(login: Counted, wallet: Wallet):
    await wallet.fresh()
    login.slow = asyncio.Event()
    renewal = asyncio.ensure_future(wallet.renew(wallet.current))
    await asyncio.sleep(0)
    assert wallet.current.id == "key-1"
    login.slow.set()
    await renewal
    assert wallet.current.id == "key-2"


def test_keys_show_nothing_of_themselves():
    assert "canary" not in repr(Keys("canary", "canary", "canary"))
