"""Who hints from outside: POST /hooks/NAMESPACE/SECRETSTORE and /hooks/CLUSTERSECRETSTORE, on a port of its own.

Calls are signed; the body counts for nothing else. Whatever is wrong with a call, its answer is the same. What is for
another replica is passed on to it as it came: who works on a store has its key.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from keyferry import metrics
from keyferry.app import App
from keyferry.handlers import probes
from keyferry.schedule.tap import Tap
from keyferry.values import StoreKey

_LARGEST_BODY = 16 * 1024
_BODY_SECONDS = 5.0
_ELSEWHERE = aiohttp.ClientTimeout(total=5.0)
_SIGNED = ("X-Keyferry-Timestamp", "X-Keyferry-Signature")
_PASSED_ON = "X-Keyferry-Passed-On"
_PER_SECOND, _AT_ONCE = 100.0, 400  # calls, of all callers: more is answered without being looked at


def routes(app: App, session: aiohttp.ClientSession) -> web.Application:
    """The webhook. Its callers are told that they are heard, and nothing else."""
    tap = Tap(_PER_SECOND, _AT_ONCE)

    async def hook(request: web.Request) -> web.Response:
        if not app.learnt.is_set():
            return web.Response(text="still learning what there is", status=503, headers={"Retry-After": "5"})
        if not tap.take(time.monotonic()):
            metrics.HOOK_CALLS.labels("too many").inc()
            return web.Response(text="too many calls", status=429, headers={"Retry-After": "1"})
        key = StoreKey(request.match_info.get("namespace", ""), request.match_info["name"])
        stamp, given = (request.headers.get(name, "") for name in _SIGNED)
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await request.read()
        except TimeoutError:
            return web.Response(text="too slow", status=408)
        if (elsewhere := app.elsewhere(key)) is not None:
            return await _passed_on(session, elsewhere, request, body)
        if not app.webhooks.called(key, stamp, given, body, time.time()):
            return web.Response(text="not accepted", status=401)
        return web.Response(text="heard", status=202)

    site = web.Application(client_max_size=_LARGEST_BODY)
    site.add_routes([web.post("/hooks/{name}", hook), web.post("/hooks/{namespace}/{name}", hook)])
    return site


@asynccontextmanager
async def served(app: App, listen: str) -> AsyncIterator[None]:
    """The webhook, while the context is open, where there is to be one. `listen` is host:port, or empty."""
    if not listen:
        yield
        return
    async with (
        aiohttp.ClientSession(timeout=_ELSEWHERE, trust_env=False) as session,
        probes.listening(routes(app, session), listen),
    ):
        yield


async def _passed_on(session: aiohttp.ClientSession, elsewhere: str, request: web.Request, body: bytes) -> web.Response:
    """The answer of the replica that works on the store. While shards change hands, nobody may."""
    later = web.Response(text="nobody works on it right now", status=503, headers={"Retry-After": "5"})
    if not elsewhere or _PASSED_ON in request.headers:
        return later
    headers = {name: request.headers[name] for name in _SIGNED if name in request.headers} | {_PASSED_ON: "1"}
    try:
        async with session.post(f"http://{elsewhere}{request.path}", data=body, headers=headers) as answer:
            return web.Response(text=await answer.text(), status=answer.status)
    except (aiohttp.ClientError, TimeoutError, OSError):
        return later
