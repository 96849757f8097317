"""The keys that a login hands over, kept until they need renewal."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from keyferry.backends.aws.errors import LoginRefused
from keyferry.backends.turns import Turns
from keyferry.errors import AuthFailed, SyncError, bare

T = TypeVar("T")

LOOK_AGAIN = 30.0  # seconds until a renewal that failed is tried again, while the old keys still hold
AHEAD = 300.0  # seconds before expiry at which keys are renewed, or a tenth of their life if that is less


@dataclass(frozen=True, slots=True)
class Keys:
    """An access key, perhaps a temporary one."""

    id: str = field(repr=False)
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    renew_at: float | None = None  # seconds since the epoch; None: they do not age
    expires_at: float | None = None  # likewise

    @classmethod
    def lasting_until(cls, expires_at: float, now: float, *, id: str, secret: str, token: str) -> "Keys":  # noqa: A002 - the field's name
        """Temporary keys, to be renewed well before they expire."""
        ahead = min(AHEAD, max(0.0, expires_at - now) / 10)
        return cls(id, secret, token, renew_at=expires_at - ahead, expires_at=expires_at)

    def due(self, now: float) -> bool:
        return self.renew_at is not None and now >= self.renew_at

    def expired(self, now: float) -> bool:
        return self.expires_at is not None and now >= self.expires_at


class Login(Protocol):
    """A way to get keys."""

    @property
    def name(self) -> str:
        """As error texts call it: which Secret, which role."""

    @property
    def renewable(self) -> bool:
        """Whether logging in again can give other keys."""

    async def keys(self, *, anew: bool = False) -> Keys:
        """Log in. `anew`: the keys of last time are no good, whatever their age says. Raises SyncError."""


class Wallet:
    """A login's current keys. Its turns own them: whoever finds them due renews them, and the others wait for that."""

    def __init__(self, login: Login, clock: Callable[[], float] = time.time) -> None:
        self.login = login
        self._clock = clock
        self._turns = Turns()
        self._keys: Keys | None = None
        self._failure: SyncError = AuthFailed("nobody has logged in")  # why there are no keys

    @property
    def current(self) -> Keys:
        """The keys as they are. Other threads read this while they sign. Raises why there are none."""
        if (keys := self._keys) is None:
            raise bare(self._failure)
        return keys

    async def fresh(self) -> None:
        """See to keys that hold for a while. Those that cannot be renewed just now serve until they expire."""
        if not self._holds():
            await self._turns.take(self._log_in)

    async def renew(self, spent: Keys) -> None:
        """Log in again, unless somebody did since `spent`, or tried in vain."""
        await self._turns.take(lambda: self._replace(spent))

    async def used(self, call: Callable[[], Awaitable[T]]) -> T:
        """What a call gives that signs with the current keys. Where AWS refuses them they are renewed, once."""
        keys = self.current
        try:
            return await call()
        except LoginRefused:
            if not self.login.renewable:
                raise
        await self.renew(keys)
        return await call()

    def _holds(self) -> bool:
        return self._keys is not None and not self._keys.due(self._clock())

    async def _log_in(self) -> None:
        held = self._keys
        try:
            self._keys = await self.login.keys()
        except SyncError as e:
            if held is None or held.expired(self._clock()):
                self._keys, self._failure = None, e
                raise
            self._keys = replace(held, renew_at=self._clock() + LOOK_AGAIN)

    async def _replace(self, spent: Keys) -> None:
        if self.current.id != spent.id:
            return
        try:
            self._keys = await self.login.keys(anew=True)
        except SyncError as e:
            self._keys, self._failure = None, e
            raise
