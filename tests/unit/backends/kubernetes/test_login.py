"""A ServiceAccount's token: held, replaced in time, and shared by all who need it."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from keyferry.api.providers.references import ServiceAccountRef
from keyferry.backends.kubernetes.login import OfServiceAccount
from keyferry.errors import CredentialsMissing
from keyferry.values import Token
from tests.contract.context import context

REF = ServiceAccountRef(name="reader")


@dataclass
class Clock:
    """The time, and a cluster that hands out tokens of an hour, or fails."""

    now: float = 0.0
    given: list[str] = field(default_factory=list)
    fails: bool = False
    asked: int = 0

    def __call__(self) -> float:
        return self.now

    async def token(self, _: ServiceAccountRef, audience: str) -> Token:
        assert audience == ""
        self.asked += 1
        await asyncio.sleep(0)
        if self.fails:
            raise CredentialsMissing("no such account")
        self.given.append(f"t{len(self.given) + 1}")
        return Token(self.given[-1], self.now + 3600)


def login(clock: Clock) -> OfServiceAccount:
    made = OfServiceAccount(REF, context(), clock)
    made._cluster = cast("Any", clock)
    return made


async def test_it_is_asked_for_once_and_replaced_before_its_end():
    clock = Clock()
    held = login(clock)
    assert set(await asyncio.gather(*(held.token() for _ in range(9)))) == {"t1"}
    clock.now = 3299
    assert await held.token() == "t1"
    clock.now = 3300
    assert set(await asyncio.gather(*(held.token() for _ in range(9)))) == {"t2"}


async def test_one_that_still_holds_serves_while_there_is_no_other():
    clock = Clock()
    held = login(clock)
    await held.token()
    clock.now, clock.fails = 3400, True
    assert await held.token() == "t1"
    clock.now = 3600
    with pytest.raises(CredentialsMissing):
        await held.token()


async def test_another_is_not_asked_for_with_every_call_meanwhile():
    """It may be that the account does not allow it any more."""
    held = login(clock := Clock())
    await held.token()
    clock.fails = True
    for second in range(3310, 3600):
        clock.now = float(second)
        assert await held.token() == "t1"
    assert clock.asked == 1 + 10
    clock.now = 3600.0
    with pytest.raises(CredentialsMissing):
        await held.token()


async def test_all_who_met_a_refusal_share_one_other():
    held = login(clock := Clock())
    spent = await held.token()
    assert set(await asyncio.gather(*(held.instead_of(spent) for _ in range(9)))) == {"t2"}
    assert await held.instead_of(spent) == "t2"
    assert clock.given == ["t1", "t2"]
