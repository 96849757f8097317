"""What keeps values inside the process when it dies: no core dump, and no exception's text in the log."""

import asyncio
import ctypes
import logging
import resource
import sys
import threading
from typing import Any

from keyferry.log import places

_LOG = logging.getLogger(__name__)
_PR_SET_DUMPABLE = 4


def seal() -> None:
    """No core dump from now on, no other process of this user may look inside, and tracebacks name places only."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    sys.excepthook = lambda _kind, bug, _trace: _told(bug)
    threading.excepthook = lambda args: _told(args.exc_value)


def told_by_loop(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """For `set_exception_handler`: what nobody awaited."""
    if isinstance(bug := context.get("exception"), BaseException):
        _told(bug)
    else:
        _LOG.error("event loop: %s", context.get("message"))


def _told(bug: BaseException | None) -> None:
    if not isinstance(bug, KeyboardInterrupt):
        _LOG.error("unexpected; please report it: %s", places(bug))
