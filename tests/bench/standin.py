"""The bench's stand-in for AWS, as a process of its own: `python -m tests.bench.standin`.

Each account has a port, a latency that is always the same, and a log of what it was asked. Its other end is backend.py.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import uvloop
from aiohttp import web

from tests.bench.account import Account, Bucket, throttled

_FOREVER = 3600.0


@dataclass(slots=True)
class Served:
    """An account on its port. `calls`: when, what, whether it was throttled, and about how many secrets."""

    account: Account
    latency: float
    bucket: Bucket | None = None
    stuck: bool = False
    calls: list[tuple[float, str, bool, int]] = field(default_factory=list)
    port: int = 0
    _http: web.Server = field(init=False)
    _listener: asyncio.Server | None = None

    def __post_init__(self) -> None:
        self._http = web.Server(self._respond)

    async def up(self) -> None:
        """Listen, on the same port as before."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._http, "127.0.0.1", self.port, backlog=1024)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Stop listening, and break the connections that are open."""
        if self._listener:
            self._listener.close()
        for connection in list(self._http.connections):
            if connection.transport:
                connection.transport.abort()

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = json.loads(await request.read())
        action = request.headers["X-Amz-Target"].rpartition(".")[2]
        refused = self.bucket is not None and not self.bucket.take(time.monotonic())
        about = 0 if "NextToken" in asked else asked.get("MaxResults") or len(asked.get("SecretIdList", [0]))
        self.calls.append((time.time(), action, refused, about))
        await asyncio.sleep(_FOREVER if self.stuck else self.latency)
        answer = throttled() if refused else self.account.answer(action, asked)
        return web.Response(status=answer.status, text=answer.body, content_type="application/x-amz-json-1.1")


@dataclass(slots=True)
class Control:
    """What the bench tells its stand-in to do, and asks it."""

    served: dict[str, Served] = field(default_factory=dict)

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        """One order: `do` names it, the rest are its arguments."""
        order = json.loads(await request.read())
        done = await getattr(self, order.pop("do"))(**order)
        return web.Response(text=json.dumps(done), content_type="application/json")

    async def open(self, name: str, secrets: list[Any], latency: float, *, batching: bool) -> int:
        """A new account; its port."""
        account = Account(batching)
        for each, tags in secrets:
            account.create(each, tags)
        self.served[name] = Served(account, latency)
        await self.served[name].up()
        return self.served[name].port

    async def rotate(self, name: str, secrets: list[str]) -> float:
        """Give secrets new values; the time when they had them."""
        self.served[name].account.rotate(secrets)
        return time.time()

    async def calls(self, name: str, since: int) -> list[tuple[float, str, bool, int]]:
        """What an account was asked, but for the first so many calls."""
        return self.served[name].calls[since:]

    async def limit(self, name: str, rate: float) -> None:
        """From now on, throttle."""
        self.served[name].bucket = Bucket(rate)

    async def stick(self, name: str, *, stuck: bool) -> None:
        """From now on, take calls and do not answer them; or do."""
        self.served[name].stuck = stuck

    async def down(self, name: str) -> float:
        """Let an account vanish; the time when it had."""
        await self.served[name].down()
        return time.time()

    async def up(self, name: str) -> float:
        """Let it be there again; the time when it was."""
        await self.served[name].up()
        return time.time()


async def serve() -> None:
    """Until killed: the bench's process group does that."""
    control = web.Server(Control().respond)
    listener = await asyncio.get_running_loop().create_server(control, "127.0.0.1", 0)
    sys.stdout.write(f"{listener.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await listener.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
