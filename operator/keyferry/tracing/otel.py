"""Spans of OpenTelemetry. Imported only where traces are asked for."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from types import TracebackType
from typing import Self

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import StatusCode, Tracer

from keyferry import tracing

_LOG = logging.getLogger(__name__)
_TIMEOUT_SECONDS = 5.0  # of one delivery, tries included
_PATH = "/v1/traces"


class OtelSpan(tracing.Span):
    """One that is sent."""

    __slots__ = ("_context", "_outcome", "_span")

    def __init__(self, tracer: Tracer, name: str, attributes: dict[str, object]) -> None:
        self._outcome = ""
        # What passes by as an exception may quote a value: of that only the reason is told, below.
        self._context = tracer.start_as_current_span(
            name, attributes=_named(attributes), record_exception=False, set_status_on_exception=False
        )

    def __enter__(self) -> Self:
        self._span = self._context.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            self.failed(tracing.reason_of(error))
        elif error:
            self.says(outcome="cancelled")
        elif not self._outcome:
            self.says(outcome="ok")
        self._context.__exit__(kind, error, trace)

    def says(self, **attributes: object) -> None:
        self._span.set_attributes(_named(attributes))

    def failed(self, reason: str) -> None:
        self._outcome = reason
        self.says(outcome=reason)
        self._span.set_status(StatusCode.ERROR)


class _Told(SpanExporter):
    """An exporter that says once when nothing arrives any more, and once when it does again."""

    def __init__(self, exporter: SpanExporter, endpoint: str) -> None:
        self._exporter, self._endpoint, self._arrives = exporter, endpoint, True
        self.until = math.inf  # of the monotonic clock: what is left then is dropped

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if time.monotonic() > self.until:
            return SpanExportResult.FAILURE
        result = self._exporter.export(spans)
        arrives = result is SpanExportResult.SUCCESS
        if arrives != self._arrives:
            self._arrives = arrives
            _LOG.log(
                logging.INFO if arrives else logging.WARNING,
                "traces %s at %s",
                "arrive again" if arrives else "do not arrive and are dropped",
                self._endpoint,
            )
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def started(
    endpoint: str, identity: str, ratio: float
) -> tuple[Callable[[str, dict[str, object]], OtelSpan], Callable[[], None]]:
    """What makes spans, and what sends the last of them and ends.

    The provider is no global one: SDKs of backends that trace by themselves, with what they send, find none.
    """
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it logs each failure in the receiver's own words
    url = endpoint if endpoint.endswith(_PATH) else endpoint.rstrip("/") + _PATH
    about = {"service.name": "keyferry", "service.version": version("keyferry"), "service.instance.id": identity}
    provider = TracerProvider(
        sampler=ParentBasedTraceIdRatio(ratio), resource=Resource.create(about), shutdown_on_exit=False
    )
    exporter = _Told(OTLPSpanExporter(url, timeout=_TIMEOUT_SECONDS), url)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("keyferry")

    def end() -> None:
        exporter.until = time.monotonic() + _TIMEOUT_SECONDS
        provider.shutdown()

    return (lambda name, attributes: OtelSpan(tracer, name, attributes)), end


def _named(attributes: dict[str, object]) -> dict[str, str | int]:
    """Attributes are ours, but for those that have a name everywhere."""
    return {
        _EVERYWHERE.get(name, f"keyferry.{name}"): value if isinstance(value, int) else str(value)
        for name, value in attributes.items()
    }


_EVERYWHERE = {"namespace": "k8s.namespace.name", "code": "http.response.status_code", "method": "http.request.method"}
