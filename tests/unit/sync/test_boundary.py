"""The one place that catches what nobody expected."""

import asyncio
import logging

import pytest

from keyferry.errors import AuthFailed, BackendUnavailable, InternalError
from keyferry.sync.boundary import LONGEST_SECONDS, guarded

pytestmark = pytest.mark.looptime


async def raising(error: BaseException) -> None:
    secret = "canary-9f3b"  # noqa: F841 - a local of the frame that fails
    raise error


async def test_a_result_is_a_result():
    async def work() -> int:
        return 7

    assert await guarded(work(), "it") == 7


async def test_an_expected_failure_is_the_answer_and_no_news(caplog: pytest.LogCaptureFixture):
    failure = AuthFailed("no")
    assert await guarded(raising(failure), "it") is failure
    assert caplog.records == []


async def test_a_bug_is_an_internal_error_that_quotes_nothing(caplog: pytest.LogCaptureFixture):
    answer = await guarded(raising(ValueError("canary-9f3b")), "it")
    assert isinstance(answer, InternalError)
    assert "ValueError" in str(answer)
    assert "canary" not in str(answer) + caplog.text
    assert answer.__cause__ is None


async def test_a_bug_is_logged_with_the_place_where_it_happened(caplog: pytest.LogCaptureFixture):
    await guarded(raising(ValueError("canary-9f3b")), "ExternalSecret team/es")
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "ExternalSecret team/es" in record.getMessage()
    assert "in raising" in record.getMessage()


async def test_what_takes_for_ever_is_given_up():
    answer = await guarded(asyncio.sleep(1e9), "it")
    assert isinstance(answer, BackendUnavailable)
    assert "it took longer than 600 s" in str(answer)
    assert asyncio.get_running_loop().time() == LONGEST_SECONDS


async def test_a_cancellation_is_no_failure():
    task = asyncio.create_task(guarded(asyncio.sleep(100), "it"))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
