"""In front of a real Vault: counts what it is asked, and has bad days. It speaks TLS with Vault's own certificate."""

import contextlib
import http.client
import json
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers.vault_server import VaultServer

_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as policies see it."""

    capability: str  # read, list, create, delete
    path: str
    token: str = field(repr=False)
    namespace: str
    authorization: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back, or where it breaks off."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: int | None = None  # bytes of the body before the connection ends; None: all, and it goes on
    reset: bool = False  # no answer: the connection is reset


Proceed = Callable[[], Answer]
Fault = Callable[[Call, Proceed], Answer]


# What a policy's denial says, and what OpenBao says of a token that it does not know; Vault adds "invalid token".
DENIED, UNKNOWN = "1 error occurred:\n\t* permission denied\n\n", "permission denied"


def refuses(status: int, *said: str, **headers: str) -> Fault:
    """Vault answers with this status and these words."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps({"errors": list(said)}).encode()
    return lambda _, __: Answer(status, body, {"Content-Type": "application/json", **named})


def says(content: bytes, kind: str = "application/json") -> Fault:
    """Whatever was asked, this is the answer."""
    return lambda _, __: Answer(200, content, {"Content-Type": kind})


def broken_off(_: Call, proceed: Proceed) -> Answer:
    """The connection ends in the middle of the answer."""
    answer = proceed()
    return replace(answer, sent=len(answer.body) // 2)


def reset(_: Call, __: Proceed) -> Answer:
    """The connection is reset, with no answer."""
    return Answer(200, b"", reset=True)


class VaultProxy:
    """Passes everything on. What it was asked is in `calls`; what goes wrong is said with `failing`."""

    def __init__(self, vault: VaultServer) -> None:
        self.vault = vault
        self.certificate = vault.ca.parent  # the folder of what it shows from the next `up` on
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._faults: list[tuple[str, Fault]] = []  # what the path must contain, and what then goes wrong
        self._server = _Server(0, self)
        self.port: int = self._server.server_address[1]
        self._thread = self._serve()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        """As error texts name it."""
        return f"127.0.0.1:{self.port}"

    @property
    def calls(self) -> list[Call]:
        with self._lock:
            return list(self._calls)

    def counts(self) -> dict[str, int]:
        """How many calls there were, by capability and the second part of the path, such as `read data`."""
        return dict(Counter(_kind(call) for call in self.calls))

    def logins(self) -> int:
        return sum(call.path.startswith("auth/") and "/login" in call.path for call in self.calls)

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def answer(self, call: Call, proceed: Proceed) -> Answer:
        with self._lock:
            self._calls.append(call)
            faults = list(self._faults)
        fault = next((fault for part, fault in reversed(faults) if part in call.path), None)
        return fault(call, proceed) if fault else proceed()

    def _serve(self) -> threading.Thread:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="vault proxy", daemon=True)
        thread.start()
        return thread


def _kind(call: Call) -> str:
    parts = call.path.split("/")
    return f"{call.capability} {parts[1] if len(parts) > 1 else parts[0]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: "_Server"

    def setup(self) -> None:
        self.request = self.connection = self.server.secured(self.request)
        super().setup()
        self._upstream = http.client.HTTPSConnection(
            urlsplit(self.server.proxy.vault.url).netloc, timeout=30, context=self.server.trust
        )

    def finish(self) -> None:
        self._upstream.close()
        with self.server.changed:
            self.server.open.discard(self.connection)
            self.server.changed.notify_all()
        with contextlib.suppress(OSError):
            super().finish()
        self.connection.close()  # the server knows only the socket beneath it

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._send(self.server.proxy.answer(self._call(), lambda: self._passed_on(body)))

    do_POST = do_PUT = do_DELETE = do_LIST = do_GET  # noqa: N815 - the base class looks for these names

    def _call(self) -> Call:
        at = urlsplit(self.path)
        listing = self.command == "LIST" or "list" in parse_qs(at.query)
        capability = {"GET": "read", "DELETE": "delete"}.get(self.command, "write")
        return Call(
            "list" if listing else capability,
            unquote(at.path).removeprefix("/v1/"),
            self.headers.get("X-Vault-Token", ""),
            self.headers.get("X-Vault-Namespace", ""),
            self.headers.get("Authorization", ""),
        )

    def _passed_on(self, body: bytes) -> Answer:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in {*_HOP, "host"}}
        self._upstream.request(self.command, self.path, body or None, headers)
        answer = self._upstream.getresponse()
        return Answer(answer.status, answer.read(), {n: v for n, v in answer.getheaders() if n.lower() not in _HOP})

    def _send(self, answer: Answer) -> None:
        if answer.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
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

    def __init__(self, port: int, proxy: VaultProxy) -> None:
        self.proxy = proxy
        self.trust = proxy.vault.trust()
        self.open: set[socket.socket] = set()
        self.changed = threading.Condition()  # guards what is open
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(proxy.certificate / "apiserver.crt", proxy.certificate / "apiserver.key")
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
