"""HTTP of stand-ins, over TLS: requests as they came, answers as the real server gives them, or deliberately not."""

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as it came over the wire."""

    method: str
    target: str  # path and query, as they are on the wire
    headers: Mapping[str, str] = field(repr=False)  # names in lower case
    content: bytes = field(default=b"", repr=False)

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def parameters(self) -> Sequence[tuple[str, str]]:
        """Of the query, where one may come twice."""
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def query(self) -> Mapping[str, str]:
        return dict(self.parameters)

    @property
    def body(self) -> Mapping[str, Any]:
        """Of JSON, or of a form."""
        if self.headers.get("content-type", "") == "application/x-www-form-urlencoded":
            return dict(parse_qsl(self.content.decode(), keep_blank_values=True))
        parsed: Mapping[str, Any] = json.loads(self.content or b"{}")
        return parsed

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back, or where it breaks off."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: int | None = None  # bytes of the body before the connection ends; None: all, and it goes on
    reset: bool = False  # no answer: the connection is reset

    @classmethod
    def of(cls, content: Mapping[str, Any], status: int = 200, **headers: str) -> "Answer":
        """An answer in JSON."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, json.dumps(content).encode(), {"Content-Type": "application/json", **named})


Proceed = Callable[[], Answer]
Fault = Callable[[Call, Proceed], Answer]


def says(content: bytes, status: int = 200, **headers: str) -> Fault:
    """Whatever was asked, this is the answer."""
    return lambda _, __: Answer(status, content, headers)


def broken_off(_: Call, proceed: Proceed) -> Answer:
    """The connection ends in the middle of the answer."""
    answer = proceed()
    return replace(answer, sent=len(answer.body) // 2)


def reset(_: Call, __: Proceed) -> Answer:
    """The connection is reset, with no answer."""
    return Answer(200, b"", reset=True)


class Listener:
    """Listens on a port of this machine, and can be taken away. What goes wrong is said with `failing`."""

    def __init__(
        self, handle: Callable[[Call], Answer], certificate: Path, at_end: Callable[[], None] = lambda: None
    ) -> None:
        """`at_end` is called when a connection has ended, by the thread in which its calls were handled."""
        self.handle, self.at_end = handle, at_end
        self.certificate = certificate  # the folder of what it shows from the next `up` on
        self._lock = threading.Lock()
        self._calls: list[tuple[Call, int]] = []
        self._faults: list[tuple[str, Fault]] = []  # what the path must contain, and what then goes wrong
        self._server = _Server(0, self)
        self.port: int = self._server.server_address[1]
        self._thread = self._serve()

    @property
    def calls(self) -> list[tuple[Call, int]]:
        """What was asked, and the status of the answer."""
        with self._lock:
            return list(self._calls)

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()

    @contextlib.contextmanager
    def failing(self, fault: Fault, path: str = "") -> Iterator[None]:
        """While inside, calls whose path contains this go wrong."""
        self._faults.append((path, fault))
        try:
            yield
        finally:
            self._faults.remove((path, fault))

    @contextlib.contextmanager
    def silence(self, path: str = "") -> Iterator[None]:
        """While inside, such calls are taken and not answered."""
        over = threading.Event()

        def wait(_: Call, __: Proceed) -> Answer:
            over.wait(60)
            return Answer(200, b"", reset=True)

        with self.failing(wait, path):
            try:
                yield
            finally:
                over.set()

    def left_alone(self, seconds: float = 10.0) -> bool:
        """Whether all connections end, at the latest within so much time."""
        with self._server.changed:
            return self._server.changed.wait_for(lambda: not self._server.open, seconds)

    def down(self) -> None:
        """Stop listening, and break the connections that are open."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for connection in list(self._server.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def up(self) -> None:
        """Listen again, on the same port."""
        self._server = _Server(self.port, self)
        self._thread = self._serve()

    def answer(self, call: Call) -> Answer:
        fault = next((fault for part, fault in reversed(self._faults) if part in call.path), None)
        answer = fault(call, lambda: self.handle(call)) if fault else self.handle(call)
        with self._lock:
            self._calls.append((call, answer.status))
        return answer

    def _serve(self) -> threading.Thread:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="stand-in", daemon=True)
        thread.start()
        return thread


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: "_Server"

    def setup(self) -> None:
        self.request = self.connection = self.server.secured(self.request)
        super().setup()

    def finish(self) -> None:
        self.server.listener.at_end()
        with self.server.changed:
            self.server.open.discard(self.connection)
            self.server.changed.notify_all()
        with contextlib.suppress(OSError):
            super().finish()
        self.connection.close()  # the server knows only the socket beneath it

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        content = self.rfile.read(int(headers.get("content-length", 0)))
        self._send(self.server.listener.answer(Call(self.command, self.path, headers, content)))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_LIST = do_GET  # noqa: N815 - the base class looks for these names

    def _send(self, answer: Answer) -> None:
        if answer.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status not in (204, 304):
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

    def __init__(self, port: int, listener: Listener) -> None:
        self.listener = listener
        self.open: set[socket.socket] = set()
        self.changed = threading.Condition()  # guards what is open
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(listener.certificate / "apiserver.crt", listener.certificate / "apiserver.key")
        super().__init__(("127.0.0.1", port), _Handler)

    def secured(self, connection: socket.socket) -> ssl.SSLSocket:
        """In the handler's thread, so that a caller who says nothing keeps no other waiting."""
        connection.settimeout(60)
        secured = self._tls.wrap_socket(connection, server_side=True)
        with self.changed:
            self.open.add(secured)
        return secured

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers go away in the middle of things; that is what they are there for."""
