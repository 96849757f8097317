"""The access token that a login hands over, kept until it needs renewal."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from keyferry.errors import AuthFailed, SyncError

AHEAD = 300.0  # seconds before expiry at which a token is renewed, or a tenth of its life if that is less
LOOK_AGAIN = 30.0  # seconds until a renewal that failed is tried again, while the old token still holds


@dataclass(frozen=True, slots=True)
class Bearer:
    """What is sent with every call."""

    text: str = field(repr=False)
    expires_at: float  # seconds since the epoch
    renew_at: float  # likewise

    @classmethod
    def lasting(cls, text: str, seconds: float, now: float) -> "Bearer":
        """One that holds for so long from now, to be renewed well before."""
        return cls(text, now + seconds, now + seconds - min(AHEAD, seconds / 10))


class Login(Protocol):
    """A way to get tokens."""

    @property
    def name(self) -> str:
        """As error texts call it: which Secret, which ServiceAccount."""

    async def bearer(self) -> Bearer:
        """Log in. Raises SyncError."""

    async def aclose(self) -> None:
        """Let go of connections and threads."""


class Wallet:
    """A login's current token. Its lock guards it: one logs in, those who come meanwhile share what came of it."""

    def __init__(self, login: Login, clock: Callable[[], float] = time.time) -> None:
        self.login = login
        self._clock = clock
        self._lock = asyncio.Lock()
        self._attempts = 0
        self._held: Bearer | None = None
        self._failure: SyncError = AuthFailed("nobody has logged in")  # why there is no token

    async def current(self) -> Bearer:
        """A token that holds for a while; one that cannot be renewed just now serves until it expires."""
        if self._held is None or self._clock() >= self._held.renew_at:
            await self._attempt(self._held)
        return self._token()

    async def another(self, spent: Bearer) -> Bearer:
        """A token in place of one that was refused, unless somebody has logged in since."""
        if self._held is not None and self._held.text == spent.text:
            await self._attempt(spent, refused=True)
        return self._token()

    def _token(self) -> Bearer:
        if self._held is None:
            raise self._failure.worded(str(self._failure))
        return self._held

    async def _attempt(self, former: Bearer | None, *, refused: bool = False) -> None:
        before = self._attempts
        async with self._lock:
            if self._attempts != before:
                return
            try:
                self._held = await self.login.bearer()
            except SyncError as e:
                self._failure = e.worded(str(e))
                good = former is not None and not refused and self._clock() < former.expires_at
                self._held = replace(former, renew_at=self._clock() + LOOK_AGAIN) if former and good else None
            self._attempts += 1
