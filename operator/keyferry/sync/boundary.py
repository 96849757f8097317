"""The one place that catches `Exception`: around a reconciliation."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import TypeVar

from keyferry.errors import BackendUnavailable, InternalError, SyncError
from keyferry.log import places

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
        _LOG.error("internal error in %s; please report it: %s", what, places(bug))
        return InternalError(f"a bug in Keyferry ({type(bug).__name__}); the operator's log has the details")
