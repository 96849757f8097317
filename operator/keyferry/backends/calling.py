"""Calls that block, made off the event loop: in threads of the store's own."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from keyferry.backends.base import Context
from keyferry.errors import BackendUnavailable, SyncError

T = TypeVar("T")


class Caller:
    """Threads of one store, as many as it may make calls at once, so that a stuck store keeps no other waiting."""

    def __init__(self, context: Context) -> None:
        self._budget = context.call
        self._threads = ThreadPoolExecutor(context.concurrency, thread_name_prefix=str(context.store))

    async def call(self, operation: str, work: Callable[[], T]) -> T:
        """A call that leaves the process, when the budget allows."""
        return await self._budget(operation, lambda: self.aside(work))

    async def aside(self, work: Callable[[], T]) -> T:
        """Work that takes time but asks nobody."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except asyncio.CancelledError:
            if _cancelled():
                raise
        except RuntimeError as e:
            if "shutdown" not in str(e):
                raise
        raise BackendUnavailable("the store changed in the meantime; the next try uses the new one")

    def close(self) -> None:
        """Take no more work, drop what waits. What is under way ends by its own timeout, and nobody waits for it."""
        self._threads.shutdown(wait=False, cancel_futures=True)


async def apart(name: str, work: Callable[[], T]) -> T:
    """Work that may wait long, in a thread of its own: neither other work nor the process's end waits for it."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(got: T | BaseException) -> None:
        if answer.done():  # nobody waits any more
            return
        if isinstance(got, BaseException):
            answer.set_exception(got)
        else:
            answer.set_result(got)

    def run() -> None:
        try:
            _tell(loop, settle, work())
        except SyncError as failure:
            _tell(loop, settle, failure)
        except BaseException as bug:
            _tell(loop, settle, bug)
            raise

    threading.Thread(target=run, name=name, daemon=True).start()
    return await answer


def _tell(loop: asyncio.AbstractEventLoop, settle: Callable[[T | BaseException], None], got: T | BaseException) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: the operator has ended meanwhile
        loop.call_soon_threadsafe(settle, got)


def _cancelled() -> bool:
    """Whether it is the caller that was cancelled, and not the work because the threads were let go."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
