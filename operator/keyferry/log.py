"""Logging: one line per change of state, as text for people or JSON for machines, never with a value."""

import logging
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from time import gmtime

from pythonjsonlogger.json import JsonFormatter


class LogFormat(StrEnum):
    """How a log line looks."""

    TEXT = "text"
    JSON = "json"


# These log requests with their headers and bodies at DEBUG: tokens and values.
_LOUD = (
    "aiohttp",
    "aiomysql",
    "aiosqlite",
    "asyncio",
    "azure",
    "boto3",
    "botocore",
    "elastic_transport",
    "google",
    "grpc",
    "kubernetes",
    "msal",
    "psycopg",
    "sqlalchemy",
    "urllib3",
)
_ABOUT = frozenset({"kind", "namespace", "object", "reason"})  # for machines: people read the same in the message
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def about(kind: str, namespace: str, name: str, reason: str) -> dict[str, str]:
    """What `extra=` says of a line about one of our resources; `namespace` is empty where there is none."""
    return {"kind": kind, "object": name, "reason": reason, **({"namespace": namespace} if namespace else {})}


class _JsonFormatter(JsonFormatter):
    """Times as RFC 3339 has them, in UTC: whoever collects logs from many places needs no guess at the zone."""

    converter = staticmethod(gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"


class _TextFormatter(logging.Formatter):
    """The message, then the fields of `extra=` that it does not say already, as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        known = _STANDARD | _ABOUT
        fields = {name: value for name, value in record.__dict__.items() if name not in known and name[0] != "_"}
        line = super().format(record)
        return line + "".join(
            f" {name}={value}" for name, value in fields.items() if isinstance(value, (str, int, float))
        )


_AGAIN_SECONDS = 60.0


@dataclass(slots=True)
class Trouble:
    """What may go wrong each time that it is tried: told when it begins or becomes another, then once a minute.

    `what` is what was tried, in words that a colon may follow; `log` tells it.
    """

    what: str
    log: logging.Logger
    clock: Callable[[], float] = time.monotonic
    _told: dict[str, float] = field(default_factory=dict, init=False)  # causes, and when each was told last

    def caused_by(self, cause: object) -> None:
        """It went wrong once more. The text of `cause` holds no value."""
        text, now = str(cause), self.clock()
        if now - self._told.get(text, -_AGAIN_SECONDS) >= _AGAIN_SECONDS:
            self._told[text] = now
            self.log.warning("%s: %s", self.what, text)

    def over(self) -> None:
        """It went well."""
        if self._told:
            self._told.clear()
            self.log.info("%s: goes on", self.what)


def configure(level: str, format_: LogFormat) -> None:
    """Set up the root logger. Libraries that would log bodies are held at WARNING at any level."""
    handler = logging.StreamHandler(sys.stderr)
    if format_ is LogFormat.JSON:
        handler.setFormatter(
            _JsonFormatter(
                "{asctime}{levelname}{name}{message}",
                style="{",
                rename_fields={"asctime": "time", "levelname": "level"},
            )
        )
    else:
        handler.setFormatter(_TextFormatter("%(asctime)s %(levelname)-7s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
    # It tells by a traceback that another node is asked; that one was put aside is told in one line by its node_pool.
    logging.getLogger("elastic_transport.transport").setLevel(logging.ERROR)
    # Kopf says at INFO and DEBUG what every single event did; our own lines say what came of it.
    logging.getLogger("kopf").setLevel(logging.WARNING)
    # It warns that signals are ignored in its thread: they are ours.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)


def places(bug: BaseException | None) -> str:
    """Where something unexpected happened, without its text: that may quote what it choked on, perhaps a value."""
    if bug is None:
        return ""
    frames = "".join(traceback.format_tb(bug.__traceback__))
    inner = bug.exceptions if isinstance(bug, BaseExceptionGroup) else ()
    return f"{type(bug).__name__} at\n{frames}" + "".join(places(each) for each in inner)
