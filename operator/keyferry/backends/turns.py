"""One attempt at a time, shared by all who want it meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable

from keyferry.errors import SyncError, bare


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
