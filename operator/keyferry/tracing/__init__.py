"""Traces, where somebody asks for them: what was done for whom, how long it took, and how it ended.

Never a value, a secret's key, or the text of a failure. While they are off a span costs the call of a function, and
nothing of OpenTelemetry is imported.
"""

from collections.abc import Callable
from importlib import import_module
from types import TracebackType
from typing import Any, Self

from keyferry.errors import SpecInvalid, SyncError


class Span:
    """Something that takes time, from when its context is opened until it is closed. This one nobody looks at."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def says(self, **attributes: object) -> None:
        """What was found out meanwhile: numbers, and what is told by its text."""

    def failed(self, reason: str) -> None:
        """It came to nothing, for that reason: one CamelCase word."""


class _State:
    """What `start` turned on."""

    made: Callable[[str, dict[str, object]], Span] | None = None
    end: Callable[[], None] | None = None


_NOBODY_LOOKS = Span()


def span(name: str, **attributes: object) -> Span:
    """A part of what is being done now, or the beginning of something; what passes as an exception is its failure."""
    return _State.made(name, attributes) if _State.made else _NOBODY_LOOKS


def start(endpoint: str, identity: str, ratio: float) -> None:
    """Send some (`ratio`, 0 to 1) of all traces to an OTLP/HTTP receiver at that URL. Raises SpecInvalid."""
    try:
        otel: Any = import_module(f"{__name__}.otel")
    except ModuleNotFoundError as missing:
        raise SpecInvalid(f"traces: this operator lacks {missing.name}; install keyferry[otel]") from missing
    _State.made, _State.end = otel.started(endpoint, identity, ratio)


def stop() -> None:
    """Send what is left, for some seconds at most. It blocks."""
    end, _State.made, _State.end = _State.end, None, None
    if end:
        end()


def reason_of(error: Exception) -> str:
    """What may be told of a failure: its text may hold anything."""
    return error.reason if isinstance(error, SyncError) else type(error).__name__
