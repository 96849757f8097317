"""The token that a login hands over, kept until it needs renewal."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from keyferry.backends.turns import Turns
from keyferry.errors import AuthFailed, SyncError, bare

LOOK_AGAIN = 30.0  # seconds until a renewal that failed is tried again, while the old token still holds
AHEAD = 300.0  # seconds before expiry at which a token is renewed, or a tenth of its life if that is less
PATIENCE = 600.0  # seconds in which a denial leads to a new login only once


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What the vault is shown."""

    text: str = field(repr=False)
    renew_at: float  # seconds since the epoch
    expires_at: float  # likewise

    @classmethod
    def lasting_until(cls, expires_at: float, now: float, text: str) -> "AccessToken":
        """A token to be renewed well before it expires."""
        ahead = min(AHEAD, max(0.0, expires_at - now) / 10)
        return cls(text, expires_at - ahead, expires_at)


class Login(Protocol):
    """A way to get a token."""

    @property
    def name(self) -> str:
        """As error texts call it: which Secret, which ServiceAccount."""

    async def token(self) -> AccessToken:
        """Log in. Raises SyncError."""


class Wallet:
    """A login's current token. Its turns own it: whoever finds it due renews it, and the others wait for that."""

    def __init__(self, login: Login, clock: Callable[[], float] = time.time) -> None:
        self.login = login
        self._clock = clock
        self._turns = Turns()
        self._token: AccessToken | None = None
        self._failure: SyncError = AuthFailed("nobody has logged in")  # why there is no token
        self._reconsidered_at = float("-inf")  # when a new token was last asked for because of a denial

    @property
    def current(self) -> AccessToken:
        """The token as it is. Raises why there is none."""
        if (token := self._token) is None:
            raise bare(self._failure)
        return token

    async def fresh(self) -> None:
        """See to a token that holds for a while. One that cannot be renewed just now serves until it expires."""
        if self._token is None or self._clock() >= self._token.renew_at:
            await self._turns.take(self._log_in)

    async def renew(self, spent: AccessToken) -> None:
        """Log in again, unless somebody did since `spent`, or tried in vain."""
        await self._turns.take(lambda: self._renew(spent))

    async def reconsidered(self, denied: AccessToken) -> bool:
        """Whether there is another token than the one that was denied something: groups are written into it.

        Where there is none, one is asked for, but not for every denial: most of them are meant.
        """
        if self._turns.under_way or self._clock() - self._reconsidered_at >= PATIENCE:
            self._reconsidered_at = self._clock()
            with contextlib.suppress(SyncError):  # then the denial is what there is to tell
                await self._turns.take(lambda: self._replace(denied))
        return self.current.text != denied.text

    async def _log_in(self) -> None:
        held = self._token
        try:
            self._token = await self.login.token()
        except SyncError as e:
            if held is None or self._clock() >= held.expires_at:
                self._token, self._failure = None, e
                raise
            self._token = replace(held, renew_at=self._clock() + LOOK_AGAIN)

    async def _renew(self, spent: AccessToken) -> None:
        try:
            await self._replace(spent)
        except SyncError as e:
            self._token, self._failure = None, e
            raise

    async def _replace(self, spent: AccessToken) -> None:
        if self.current.text == spent.text:
            self._token = await self.login.token()
