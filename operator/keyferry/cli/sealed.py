"""What keeps values inside the process when it dies: no core dump, and no exception's text in the log."""

import asyncio
import ctypes
import logging
import resource
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

_LOG = logging.getLogger(__name__)
_PR_SET_DUMPABLE = 4


def seal() -> None:
    """No core dump from now on, no other process of this user may look inside, and tracebacks name places only."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    sys.excepthook = _told
    threading.excepthook = lambda args: _told(args.exc_type, args.exc_value, args.exc_traceback)


def told_by_loop(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """For `set_exception_handler`: what nobody awaited."""
    bug = context.get("exception")
    if isinstance(bug, BaseException):
        _told(type(bug), bug, bug.__traceback__)
    else:
        _LOG.error("event loop: %s", context.get("message"))


def _told(kind: type[BaseException], bug: BaseException | None, trace: TracebackType | None) -> None:
    """Frames only: an exception's text may quote what it choked on, and that could be a value."""
    if issubclass(kind, KeyboardInterrupt):
        return
    frames = "".join(traceback.format_tb(trace))
    for inner in bug.exceptions if isinstance(bug, BaseExceptionGroup) else ():
        frames += f"{type(inner).__name__} at\n" + "".join(traceback.format_tb(inner.__traceback__))
    _LOG.error("unexpected %s; please report it:\n%s", kind.__name__, frames)
