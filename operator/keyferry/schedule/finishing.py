"""What has begun is finished, though whoever waits for it is cancelled."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Finishing:
    """Work that goes on when its caller is cancelled. One event loop owns it, and `settled` ends it."""

    _tasks: set[asyncio.Task[Any]] = field(default_factory=set, init=False)

    async def __call__(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def settled(self, *, within: float) -> bool:
        """Wait for what has begun; what takes longer is cancelled. Whether all of it was finished."""
        late: set[asyncio.Task[Any]] = set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=within)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return not late

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # heard: its caller tells of it, unless that is cancelled and nobody wants to know
