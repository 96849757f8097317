"""A store's token: kept until it nears its end, renewed, and replaced where the backend refuses it."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from keyferry.backends.turns import Turns
from keyferry.errors import AuthFailed, SyncError, bare

AHEAD = 300.0  # seconds before its end at which a token is renewed, or a tenth of its life if that is less
PATIENCE = (
    1.0  # seconds for which a login that failed is not tried again, however many calls need it: accounts get locked
)
LOOK_AGAIN = 30.0  # seconds until a renewal that failed is tried again, while the token still holds
DOUBTED_SECONDS = 300.0  # a token that was got because calls were denied is not doubted again for so long


@dataclass(frozen=True, slots=True)
class Grant:
    """What a login gives."""

    token: str = field(repr=False)
    life: float = 0.0  # seconds; 0: it does not age
    renewable: bool = False


@dataclass(frozen=True, slots=True)
class Lease:
    """A token and how long it holds. Times are the session's clock's, in seconds."""

    token: str = field(repr=False)
    life: float
    renewable: bool
    renew_at: float | None
    ends_at: float | None
    trusted_until: float = 0.0  # until then a call that is denied is denied by a policy

    @classmethod
    def of(cls, grant: Grant, now: float) -> "Lease":
        """What was granted, from now on."""
        if grant.life <= 0:
            return cls(grant.token, 0.0, grant.renewable, None, None)
        ends_at = now + grant.life
        return cls(grant.token, grant.life, grant.renewable, ends_at - min(AHEAD, grant.life / 10), ends_at)

    def due(self, now: float) -> bool:
        return self.renew_at is not None and now >= self.renew_at

    def ended(self, now: float) -> bool:
        return self.ends_at is not None and now >= self.ends_at


class Login(Protocol):
    """A way to get tokens."""

    @property
    def name(self) -> str:
        """As error texts call it: which Secret, which role."""

    @property
    def repeatable(self) -> bool:
        """Whether logging in again gives another token."""

    async def log_in(self) -> Grant:
        """Log in. Raises SyncError."""

    async def renew(self, token: str) -> Grant:
        """The same token with more time. Raises SyncError."""


class Session:
    """A login's current token. Its turns own it: whoever finds it due renews it, and the others wait for that."""

    def __init__(self, login: Login, clock: Callable[[], float] = time.monotonic) -> None:
        self.login = login
        self._clock = clock
        self._turns = Turns()
        self._lease: Lease | None = None
        self._failure: SyncError = AuthFailed("nobody has logged in")  # why there is no token
        self._failed_at = -math.inf

    async def fresh(self) -> Lease:
        """A token that holds for a while. One that cannot be renewed just now serves until it ends."""
        if self._lease is None and self._clock() < self._failed_at + PATIENCE:
            raise bare(self._failure)
        if self._lease is None or self._lease.due(self._clock()):
            await self._turns.take(self._prolong)
        return self._current()

    async def instead_of(self, spent: Lease, *, certainly: bool) -> Lease | None:
        """Another token than one that was refused; None where there is no reason to believe in another.

        `certainly`: it is the token that is refused, and not what was asked for with it.
        """
        if not self.login.repeatable or (not certainly and self._clock() < spent.trusted_until):
            return None
        await self._turns.take(lambda: self._replace(spent, certainly=certainly))
        return self._current()

    def _current(self) -> Lease:
        if self._lease is None:
            raise bare(self._failure)
        return self._lease

    def _fail(self, failure: SyncError) -> None:
        self._lease, self._failure, self._failed_at = None, failure, self._clock()

    async def _prolong(self) -> None:
        held = self._lease
        lasting = held is not None and not held.ended(self._clock())
        try:
            self._lease = await self._longer(held) if held and held.renewable and lasting else await self._new()
        except SyncError as e:
            if held is None or held.ended(self._clock()):
                self._fail(e)
                raise
            self._lease = replace(held, renew_at=self._clock() + LOOK_AGAIN)

    async def _longer(self, held: Lease) -> Lease:
        """The token renewed, or another, where it cannot be or nears the end that no renewal moves."""
        try:
            renewed = Lease.of(await self.login.renew(held.token), self._clock())
        except AuthFailed:
            if not self.login.repeatable:
                raise
            return await self._new()
        if self.login.repeatable and renewed.life and renewed.life < held.life / 2:
            return await self._new()
        return replace(renewed, trusted_until=held.trusted_until)

    async def _new(self) -> Lease:
        return Lease.of(await self.login.log_in(), self._clock())

    async def _replace(self, spent: Lease, *, certainly: bool) -> None:
        if self._current().token != spent.token:
            return
        try:
            lease = await self._new()
        except SyncError as e:
            self._fail(e)
            raise
        self._lease = lease if certainly else replace(lease, trusted_until=self._clock() + DOUBTED_SECONDS)
