"""One attempt at a time, shared by all who want it meanwhile; and what is made by such an attempt when first needed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from keyferry.backends.certificates import Untrusted
from keyferry.errors import BackendUnavailable, SyncError, bare, bared

T = TypeVar("T")
R = TypeVar("R")


class Turns:
    """Who comes while an attempt runs waits for it, and shares its failure: a failing login is not tried in a row."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._ended = 0  # attempts, changed under the lock only
        self._failure: SyncError | None = None  # of the last one

    @property
    def under_way(self) -> bool:
        """Whether an attempt runs."""
        return self._lock.locked()

    async def take(self, attempt: Callable[[], Awaitable[None]]) -> None:
        """Attempt it, or wait for the attempt that is under way. Raises what came of it."""
        ended = self._ended
        async with self._lock:
            if self._ended == ended:
                self._failure = None
                try:
                    await attempt()
                except SyncError as e:
                    self._failure = bare(e)
                self._ended += 1
            if self._failure is not None:
                raise bare(self._failure)


class AtFirstUse(Generic[T]):
    """A backend's connection: made when it is first needed, once for all who need it; failing that, anew each time."""

    def __init__(self, make: Callable[[], Awaitable[T]], close: Callable[[T], Awaitable[None]]) -> None:
        self._make, self._close = make, close
        self._turns = Turns()
        self.made: T | None = None  # where it was needed already
        self._ended = False

    async def get(self) -> T:
        """It, or what making it raises."""
        if self.made is None and not self._ended:
            await self._turns.take(self._attempt)
        if self.made is None:  # it was let go of just now
            raise BackendUnavailable("the store changed in the meantime; the next try uses the new one")
        return self.made

    async def checked(self, check: Awaitable[R]) -> R:
        """What a check of it finds. Where a certificate was not trusted, whoever needs it next asks for the CA anew."""
        try:
            return await bared(check)
        except Untrusted:
            await self.let_go()
            raise

    async def let_go(self) -> None:
        """Close it: whoever needs it next has it made anew."""
        made, self.made = self.made, None
        if made is not None:
            await self._close(made)

    async def end(self) -> None:
        """Close it for good, also one that is just being made."""
        self._ended = True
        await self.let_go()

    async def _attempt(self) -> None:
        if self.made is None:
            self.made = await self._make()
            if self._ended:
                await self.let_go()
