"""A source of hints in memory, as a queue is one: what was not taken stays in it."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from keyferry.backends.base import Heard
from keyferry.errors import SyncError

_WAIT_SECONDS = 20.0


@dataclass
class FakeSource:
    """`tell` puts a change into it. While it is `down` it breaks when it is next asked; `bug` is one of its own."""

    down: SyncError | None = None
    bug: Exception | None = None
    silent: bool = False
    slow: float = 0.0  # seconds until its first word
    begun: int = 0  # how often somebody began to listen
    open: int = 0  # how many listen now
    taken: int = 0  # changes that were gone on after
    _waiting: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, changes: int = 1) -> None:
        """Something changed."""
        self._waiting += changes
        self._news.set()

    def breaks(self, down: SyncError) -> None:
        """It breaks now, whoever is listening."""
        self.down = down
        self._news.set()

    async def heard(self) -> AsyncGenerator[Heard, None]:
        self.begun += 1
        self.open += 1
        try:
            await asyncio.sleep(self.slow)
            self._fail()
            while True:
                if not self._waiting and not self.silent:
                    yield Heard.NOTHING
                await self._wait()
                while self._waiting:
                    yield Heard.CHANGE
                    self._waiting -= 1
                    self.taken += 1
        finally:
            self.open -= 1

    async def _wait(self) -> None:
        if not self._waiting:
            self._news.clear()
            try:
                async with asyncio.timeout(None if self.silent else _WAIT_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                pass
        self._fail()

    def _fail(self) -> None:
        if failure := self.down or self.bug:
            raise failure
