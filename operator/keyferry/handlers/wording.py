"""Kopf's words for a watch that fails, in ours: which one and why, and not at each attempt of each watch."""

import logging
import random
import re
from collections.abc import Iterator

from keyferry.log import Trouble
from keyferry.schedule import backoff

_LOG = logging.getLogger(__name__)
_WHERE_KOPF_WATCHES = ("kopf._cogs.clients.watching", "kopf._cogs.clients.fetching")
_WHERE_KOPF_ENDS = ("kopf._core.reactor.orchestration", "kopf._core.reactor.running")
_FAILED = re.compile(r"Request attempt \S+ failed; .*: GET \S*?/(?P<resource>[a-z]+)(\?\S*)? -> (?P<error>\w+)")
_ENDED = re.compile(r"(?i)watcher for (?P<resource>[a-z]+)\.|multidimensional multitasker has failed")
_CODES = {
    "APIForbiddenError": "403 Forbidden",
    "APINotFoundError": "404 Not Found",
    "APITooManyRequestsError": "429 Too Many Requests",
    "APIServerError": "with an error",
}
_CAP_SECONDS = 5.0


class Pauses:
    """Kopf's pauses between its attempts: it never gives up, and is back within seconds when the API server is."""

    def __iter__(self) -> Iterator[float]:
        failures = 0
        while True:
            failures += 1
            yield backoff.after(failures, base=1.0, cap=_CAP_SECONDS, chance=random.random)


class _Reworded(logging.Filter):
    """Holds back Kopf's lines, which have the whole request and the whole answer, and says what they come to."""

    def __init__(self) -> None:
        super().__init__()
        self._troubles: dict[str, Trouble] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is another line."""
        text, error = record.getMessage(), record.exc_info and record.exc_info[0]
        if failed := _FAILED.match(text):
            self._says(failed["resource"], failed["error"])
        elif error and error.__name__.startswith("API") and (ended := _ENDED.match(text)):
            self._says(ended["resource"], error.__name__)
        else:
            return True
        return False

    def _says(self, resource: str | None, error: str) -> None:
        if resource is None:  # its watcher has told it
            return
        trouble = self._troubles.setdefault(resource, Trouble(f"watching {resource}", _LOG))
        code = _CODES.get(error)
        trouble.caused_by(f"the API server answered {code} to WATCH {resource}" if code else f"it broke: {error}")


def reword() -> None:
    """Have Kopf's lines of failed watches reworded. To ask for it again changes nothing."""
    reworded = _Reworded()
    for name in (*_WHERE_KOPF_WATCHES, *_WHERE_KOPF_ENDS):
        logger = logging.getLogger(name)
        if not any(isinstance(each, _Reworded) for each in logger.filters):
            logger.addFilter(reworded)
