"""The API server behind the official client's connection: answers that are ready, and a diary of what was asked."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from keyferry.kube.client import Kube


@dataclass
class Answer:
    """A response of aiohttp, as much as is used of it."""

    status: int = 200
    body: bytes = b"{}"
    takes: float = 0.0
    released: bool = False

    @property
    def response(self) -> "Answer":
        return self

    async def read(self) -> bytes:
        await asyncio.sleep(self.takes)
        return self.body

    async def json(self, *, content_type: str | None) -> Any:
        assert content_type is None
        return json.loads(self.body)

    @property
    async def content(self) -> AsyncIterator[bytes]:
        for line in self.body.splitlines():
            yield line
        await asyncio.sleep(self.takes)

    def release(self) -> None:
        self.released = True


@dataclass
class Server:
    """Connection and configuration: gives the next answer, or raises it, and keeps what was asked."""

    answers: list[Answer | Exception]
    asked: list[dict[str, Any]] = field(default_factory=list)
    host: str = "https://api"
    api_key: dict[str, str] = field(default_factory=lambda: {"BearerToken": "Bearer old"})
    refresh_api_key_hook: Any = None
    ca_cert_data: str | None = None
    ssl_ca_cert: str | None = None

    @property
    def rest_client(self) -> "Server":
        return self

    async def auth_settings(self) -> dict[str, Any]:
        return {"BearerToken": {"value": self.api_key["BearerToken"]}}

    async def request(self, method: str, url: str, **more: Any) -> Answer:
        self.asked.append({"method": method, "url": url, **more})
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def kube(*answers: Answer | Exception) -> tuple[Kube, Server]:
    server = Server(list(answers))
    made = Kube(server, timeout=30.0, connections=1)
    made._api = server
    return made, server


def told(body: Any, status: int = 200, **more: Any) -> Answer:
    return Answer(status, json.dumps(body).encode(), **more)
