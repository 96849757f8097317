"""An API server's bad days over TLS: each answer is what the test says, and every request is kept."""

import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Secrets = dict[str, dict[str, Any]]


@dataclass
class Says:
    """One answer: a status and a body, or the lines of a watch, after which it ends."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    events: list[Any] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: Mapping[str, str]
    authorization: str
    certificate: str  # whose the client certificate is
    accept: str

    @property
    def watch(self) -> bool:
        return "watch" in self.query


@dataclass
class ApiServerStandIn:
    """Answers as `answer` says."""

    answer: Callable[[Asked], Says]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        assert request.transport
        shown = request.transport.get_extra_info("peercert") or {}
        subject = dict(pair for part in shown.get("subject", ()) for pair in part)
        asked = Asked(
            request.method,
            request.path,
            dict(request.query),
            request.headers.get("Authorization", ""),
            subject.get("commonName", ""),
            request.headers["Accept"],
        )
        self.asked.append(asked)
        says = self.answer(asked)
        if says.events is None:
            text = says.body if isinstance(says.body, str) else json.dumps(says.body)
            return web.Response(status=says.status, text=text, headers=says.headers)
        stream = web.StreamResponse()
        await stream.prepare(request)
        for event in says.events:
            await stream.write(json.dumps(event).encode() + b"\n")
        return stream


@asynccontextmanager
async def api_server(answer: Callable[[Asked], Says], trust: ssl.SSLContext) -> AsyncIterator[ApiServerStandIn]:
    """One that listens on this machine, with that certificate."""
    standin = ApiServerStandIn(answer)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", standin.serve)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=trust)
        await site.start()
        assert runner.addresses
        standin.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
        yield standin
    finally:
        await runner.cleanup()
