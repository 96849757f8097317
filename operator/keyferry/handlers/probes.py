"""What the kubelet and Prometheus ask: /healthz, /readyz and /metrics, on one port."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from keyferry.app import App
from keyferry.errors import SpecInvalid


def routes(app: App) -> web.Application:
    """Liveness fails when work has stopped, not only when this server has."""

    async def healthz(_: web.Request) -> web.Response:
        trouble = app.stopped()
        return web.Response(text=trouble or "ok", status=500 if trouble else 200)

    async def readyz(_: web.Request) -> web.Response:
        trouble = app.unready()
        return web.Response(text=trouble or "ok", status=503 if trouble else 200)

    async def metrics(_: web.Request) -> web.Response:
        app.measure()
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    site = web.Application()
    site.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    return site


@asynccontextmanager
async def served(app: App, listen: str) -> AsyncIterator[None]:
    """The server, while the context is open. `listen` is host:port."""
    async with listening(routes(app), listen):
        yield


@asynccontextmanager
async def listening(site: web.Application, listen: str) -> AsyncIterator[None]:
    """A site served at host:port, while the context is open; without a host, at every address there is.

    Raises SpecInvalid where that cannot be listened on.
    """
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    try:
        try:
            await _at(runner, listen).start()
        except OSError as e:
            raise SpecInvalid(f"cannot listen on {listen}: {e.strerror or e}; give another address") from e
        yield
    finally:
        await runner.cleanup()


def _at(runner: web.AppRunner, listen: str) -> web.BaseSite:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    if host not in ("", "::"):
        return web.TCPSite(runner, host, int(port))
    # One socket for IPv6 and IPv4: an event loop makes its own sockets of IPv6 deaf to IPv4.
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    return web.SockSite(runner, socket.create_server(("", int(port)), family=family, dualstack_ipv6=both))
