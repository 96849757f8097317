"""A receiver of traces: what a collector of OpenTelemetry hears over OTLP/HTTP."""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class Heard:
    """A span."""

    name: str
    id: bytes
    parent: bytes
    trace: bytes
    failed: bool
    seconds: float
    attributes: dict[str, str | int]
    events: int


@dataclass(slots=True)
class OtlpStandIn:
    """Takes every span that is sent to /v1/traces, and keeps what was sent as it came, too. `code`: what it answers."""

    code: int = 200
    bodies: list[bytes] = field(default_factory=list)
    _server: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def spans(self) -> list[Heard]:
        """All that was heard so far."""
        return [
            _heard(span)
            for body in list(self.bodies)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def resources(self) -> list[dict[str, str | int]]:
        """Who sent them."""
        requests = [ExportTraceServiceRequest.FromString(body) for body in list(self.bodies)]
        return [_attributes(each.resource) for request in requests for each in request.resource_spans]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(standin: OtlpStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            code = standin.code if self.path == "/v1/traces" else 404
            if code == 200:
                standin.bodies.append(body)
            self.send_response(code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _heard(span: Any) -> Heard:
    seconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
    failed = span.status.code == span.status.STATUS_CODE_ERROR
    told = _attributes(span)
    return Heard(span.name, span.span_id, span.parent_span_id, span.trace_id, failed, seconds, told, len(span.events))


def _attributes(of: Any) -> dict[str, str | int]:
    return {
        each.key: each.value.int_value if each.value.HasField("int_value") else each.value.string_value
        for each in of.attributes
    }
