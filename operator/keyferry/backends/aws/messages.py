"""Hints from a queue of SQS: each message says that something changed, and nothing else."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING

from keyferry.backends.aws.place import POLL_SECONDS
from keyferry.backends.base import Context, Heard
from keyferry.errors import BackendUnavailable, bared

if TYPE_CHECKING:
    from keyferry.backends.aws.connection import Connection
    from keyferry.backends.aws.sqs import Sqs

_GAP = 0.25  # seconds from one poll to the next: a flood, or a queue that never waits, takes no more of the CPU


class Messages:
    """The messages of one queue. One listener at a time hears them."""

    def __init__(self, url: str, context: Context, connected: Callable[[], Awaitable["Connection"]]) -> None:
        self._url = url
        self._context = context
        self._connected = connected
        self._sqs: Sqs | None = None
        self._taken: tuple[str, ...] = ()  # receipts of messages that were taken, and are still to be deleted

    async def heard(self) -> AsyncGenerator[Heard, None]:
        """A CHANGE for each message, NOTHING where there is none. A message is deleted when its CHANGE was taken.

        The first poll does not wait: whether the queue can be listened to is known at once.
        """
        wait = 0
        # What could not be deleted comes first. Else who lacks that permission alone would hear the same for ever.
        await bared(self._delete())
        while True:
            began = asyncio.get_running_loop().time()
            taken = await bared(self._receive(wait))
            if not taken:
                yield Heard.NOTHING
            for _ in taken:
                yield Heard.CHANGE
            self._taken = taken
            await bared(self._delete())
            wait = POLL_SECONDS
            await asyncio.sleep(began + _GAP - asyncio.get_running_loop().time())

    def close(self) -> None:
        """Let go of connections. A poll that is under way ends by itself, and nobody waits for it."""
        if self._sqs is not None:
            self._sqs.close()

    async def _receive(self, wait: int) -> tuple[str, ...]:
        return await (await self._opened()).receive(wait=wait)

    async def _delete(self) -> None:
        if not self._taken:
            return
        self._taken = await (await self._opened()).delete(self._taken)
        if self._taken:
            raise BackendUnavailable(f"SQS deletes {len(self._taken)} messages of {self._url} not")

    async def _opened(self) -> "Sqs":
        connection = await self._connected()
        if self._sqs is None:
            self._sqs = await connection.queue(self._url, self._context)
        return self._sqs
