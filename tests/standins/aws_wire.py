"""The stand-in's HTTP: requests as AWS's SDKs send them, answers as AWS gives them, or deliberately not."""

import contextlib
import json
import re
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/]+)/(?P<date>\d+)/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")


@dataclass(frozen=True, slots=True)
class Request:
    """One call, as it came over the wire."""

    service: str
    action: str
    params: Mapping[str, Any]
    headers: Mapping[str, str]
    body: bytes
    key_id: str | None = None  # who signed it, None: nobody
    region: str = ""

    @classmethod
    def read(cls, headers: Mapping[str, str], body: bytes) -> "Request":
        lower = {name.lower(): value for name, value in headers.items()}
        found = _CREDENTIAL.search(lower.get("authorization", ""))
        key_id, region = (found["key"], found["region"]) if found else (None, "")
        service, _, action = lower.get("x-amz-target", "").partition(".")
        if action:
            return cls(service, action, json.loads(body or b"{}"), lower, body, key_id, region)
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        return cls("sts", form.get("Action", ""), form, lower, body, key_id, region)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back, or where it breaks off."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: int | None = None  # bytes of the body before the connection ends; None: all, and it goes on
    reset: bool = False  # no answer: the connection is reset

    def json(self) -> dict[str, Any]:
        got = json.loads(self.body)
        assert isinstance(got, dict)
        return got

    def with_json(self, content: Mapping[str, Any]) -> "Answer":
        return replace(self, body=json.dumps(content).encode())


class AwsError(Exception):
    """An error of AWS's, raised where it is found."""

    def __init__(self, code: str, message: str, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.headers = code, message, status, headers or {}

    def answer(self, service: str) -> Answer:
        if service == "sts":
            return xml(
                f"<ErrorResponse><Error><Type>Sender</Type><Code>{self.code}</Code>"
                f"<Message>{escape(self.message)}</Message></Error><RequestId>0</RequestId></ErrorResponse>",
                self.status,
                self.headers,
            )
        content = {"__type": self.code, "Message": self.message, "message": self.message}
        return json_answer(content, self.status, {"x-amzn-ErrorType": self.code, **self.headers})


def json_answer(content: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(
        status, json.dumps(content).encode(), {"Content-Type": "application/x-amz-json-1.1", **(headers or {})}
    )


def xml(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, text.encode(), {"Content-Type": "text/xml", **(headers or {})})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer: two of them would wait for each other's acknowledgement
    disable_nagle_algorithm = True
    server: "_Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._send(self.server.respond(Request.read(dict(self.headers.items()), body)))

    def _send(self, answer: Answer) -> None:
        if answer.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[: answer.sent])
        self.wfile.flush()
        self.close_connection = self.close_connection or answer.sent is not None

    def log_message(self, *_: object) -> None:
        """The log of calls says it better."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, port: int, respond: Callable[[Request], Answer]) -> None:
        self.respond = respond
        self.open: set[socket.socket] = set()
        self.bugs: list[BaseException] = []
        super().__init__(("127.0.0.1", port), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        if request.fileno() >= 0 and struct.unpack("ii", request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))[0]:
            request.close()  # no polite end first: this is what resets it
            return
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class has them
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, ConnectionError | TimeoutError):
            self.bugs.append(error)


class Listener:
    """Answers on a port of 127.0.0.1; can go away and come back there."""

    def __init__(self, respond: Callable[[Request], Answer], port: int = 0) -> None:
        self._respond = respond
        self._server = _Server(port, respond)
        self.port: int = self._server.server_address[1]
        self._thread = self._serve()

    def down(self) -> None:
        """Stop listening, and break the connections that are open."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for connection in list(self._server.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        if self._server.bugs:
            raise self._server.bugs[0]

    def up(self) -> None:
        """Listen again, on the same port."""
        self._server = _Server(self.port, self._respond)
        self._thread = self._serve()

    def _serve(self) -> threading.Thread:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="aws stand-in", daemon=True)
        thread.start()
        return thread
