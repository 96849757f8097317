"""The stand-in's HTTP: requests and answers as data, and a listener in a thread that can go away and come back."""

import asyncio
import json
import ssl
import threading
import weakref
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Request:
    """One call, as it came over the wire."""

    action: str  # ListSecrets, GetSecret, …, GetToken
    method: str
    host: str  # with its port
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def vault(self) -> str:
        """Each address of the machine is a vault."""
        return self.host.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back, or where it breaks off."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: int | None = None  # bytes of the body before the connection ends; None: all
    reset: bool = False  # no answer at all

    def json(self) -> dict[str, Any]:
        got = json.loads(self.body)
        assert isinstance(got, dict)
        return got

    def with_json(self, content: Mapping[str, Any]) -> "Answer":
        return replace(self, body=json.dumps(content).encode())


def json_answer(content: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})})


class AzureError(Exception):
    """An error of Key Vault's, raised where it is found."""

    def __init__(
        self, status: int, code: str, message: str, inner: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.answer = error_answer(status, code, message, inner, headers)


def error_answer(
    status: int, code: str, message: str, inner: str = "", headers: Mapping[str, str] | None = None
) -> Answer:
    said: dict[str, Any] = {"code": code, "message": message}
    if inner:
        said["innererror"] = {"code": inner}
    return json_answer({"error": said}, status, headers)


Respond = Callable[[Request], Awaitable[Answer]]


class Listener:
    """Answers on a port of this machine's addresses, by TLS, and on another one without. In a thread of its own."""

    def __init__(self, respond: Respond, name: Callable[[str, str], str], addresses: tuple[str, ...]) -> None:
        self._respond, self._name, self._addresses = respond, name, addresses
        self.port = self.plain_port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="azure stand-in", daemon=True)
        self._thread.start()
        self._runner: web.AppRunner | None = None
        self._open: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()

    def up(self, context: ssl.SSLContext) -> None:
        """Listen; on the same ports as before, if there was a before."""
        asyncio.run_coroutine_threadsafe(self._up(context), self._loop).result(30)

    def down(self) -> None:
        """Stop listening, and break the connections that are open."""
        asyncio.run_coroutine_threadsafe(self._down(), self._loop).result(30)

    def close(self) -> None:
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _up(self, context: ssl.SSLContext) -> None:
        app = web.Application(client_max_size=1024**3)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        for address in self._addresses:
            site = web.TCPSite(self._runner, address, self.port, ssl_context=context, reuse_address=True)
            await site.start()
            self.port = self.port or _port(site)
        plain = web.TCPSite(self._runner, self._addresses[0], self.plain_port, reuse_address=True)
        await plain.start()
        self.plain_port = self.plain_port or _port(plain)

    async def _down(self) -> None:
        for connection in list(self._open):
            connection.abort()  # a polite end would wait for the other side's
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        for _ in range(10):  # rounds of the loop, in which connections that were broken let go of their sockets
            await asyncio.sleep(0)

    async def _answer(self, asked: web.Request) -> web.StreamResponse:
        if asked.transport is not None:
            self._open.add(asked.transport)
        action = self._name(asked.method, asked.path)
        lower = {name.lower(): value for name, value in asked.headers.items()}
        body = await asked.read()
        got = await self._respond(Request(action, asked.method, asked.host, asked.path, dict(asked.query), lower, body))
        if got.reset:
            if asked.transport is not None:
                asked.transport.abort()
            return web.Response(status=500)
        if got.sent is None:
            return web.Response(status=got.status, body=got.body, headers=dict(got.headers))
        part = web.StreamResponse(status=got.status, headers={**got.headers, "Content-Length": str(len(got.body))})
        await part.prepare(asked)
        await part.write(got.body[: got.sent])
        if asked.transport is not None:
            asked.transport.abort()
        return part


def _port(site: web.TCPSite) -> int:
    server = site._server
    assert isinstance(server, asyncio.Server)
    return int(server.sockets[0].getsockname()[1])
