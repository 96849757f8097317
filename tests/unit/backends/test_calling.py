"""Work in a thread of its own."""

import asyncio
import threading

import pytest

from keyferry.backends.calling import apart
from keyferry.errors import BackendUnavailable


async def test_what_it_gives_is_what_its_asker_gets():
    assert await apart("t", lambda: 7) == 7


async def test_what_it_fails_with_is_what_its_asker_gets():
    def fail() -> None:
        raise BackendUnavailable("down")

    with pytest.raises(BackendUnavailable, match="down"):
        await apart("t", fail)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_bug_reaches_whoever_asked():
    threads: list[threading.Thread] = []

    def fail() -> None:
        threads.append(threading.current_thread())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await apart("t", fail)
    await asyncio.to_thread(threads[0].join, 10)  # its last words, which the log has, are this test's


async def test_neither_other_work_nor_the_end_of_the_process_waits_for_it():
    release, begun = threading.Event(), threading.Event()

    def wait() -> bool:
        begun.set()
        return release.wait(10)

    stuck = asyncio.create_task(apart("stuck", wait))
    assert await apart("other", lambda: begun.wait(10))
    (thread,) = [each for each in threading.enumerate() if each.name == "stuck"]
    assert thread.daemon
    assert not stuck.done()
    release.set()
    assert await stuck


async def test_what_it_gives_when_nobody_waits_any_more_is_dropped():
    release = threading.Event()
    late = asyncio.create_task(apart("late", lambda: release.wait(10)))
    await asyncio.sleep(0)
    late.cancel()
    await asyncio.wait({late})
    release.set()
    assert await apart("later", lambda: 1) == 1
