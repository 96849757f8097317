"""The one place that catches `Exception`: around a reconciliation."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable
from typing import TypeVar

from keyferry.errors import BackendUnavailable, InternalError, SyncError

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
LONGEST_SECONDS = 600.0  # everything inside has its own limits; this is for what nobody thought of


async def guarded(work: Awaitable[T], what: object, *, within: float = LONGEST_SECONDS) -> T | SyncError:
    """The result of a reconciliation, or the error that it failed with. A bug is logged where it happened."""
    try:
        async with asyncio.timeout(within):
            return await work
    except SyncError as expected:
        return expected
    except TimeoutError:
        return BackendUnavailable(f"{what} took longer than {within:g} s")
    except Exception as bug:  # noqa: BLE001 - the boundary
        # Frames only: an exception's text may quote what it choked on, and that could be a value.
        frames = "".join(traceback.format_tb(bug.__traceback__))
        name = type(bug).__name__
        _LOG.error("internal error (%s) in %s; please report it:\n%s", name, what, frames)
        return InternalError(f"a bug in Keyferry ({name}); the operator's log has the details")
