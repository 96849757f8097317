"""The only place that sends something to Infisical."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson
from yarl import URL

from keyferry.backends.https import Broken, Https, Reply, connections
from keyferry.backends.infisical.errors import About, Failure, told
from keyferry.backends.route import Route


@dataclass(frozen=True, slots=True)
class Request:
    """One call. A path's parts are quoted already."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    etag: str = ""  # of the answer that is known; where it is still that, nothing is sent


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    body: Mapping[str, Any] = field(repr=False)
    etag: str = ""
    unchanged: bool = False  # it is still the answer with the etag that was asked with


@dataclass(frozen=True, slots=True)
class Client:
    """One pool of connections to one Infisical."""

    site: str
    https: Https

    @property
    def host(self) -> str:
        return urlsplit(self.site).netloc

    async def ask(self, about: About, request: Request, token: str | None) -> Answer:
        """What Infisical answers. Raises SyncError."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if request.etag:
            headers["If-None-Match"] = request.etag
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        url = URL(f"{self.site}{request.path}", encoded=True).with_query(dict(request.query))
        content = None if request.body is None else orjson.dumps(request.body)
        try:
            reply = await self.https.send(about.operation, request.method, url, headers=headers, content=content)
        except Broken as broken:
            failure = told(Failure(classes=broken.kinds), about)
        else:
            return _answer(reply, request, about)
        raise failure

    async def aclose(self) -> None:
        await self.https.aclose()


def client(site: str, timeout: float, size: int, ca: bytes | None, route: Route) -> Client:
    """A client that has not connected yet. Raises CredentialsMissing where the certificates are none."""
    return Client(site.rstrip("/"), connections(timeout, size, ca, "spec.provider.infisical.caProvider", route))


def _answer(reply: Reply, request: Request, about: About) -> Answer:
    if reply.status == 304 and request.etag:
        return Answer({}, request.etag, unchanged=True)
    body = reply.json
    if reply.status == 200 and isinstance(body, dict):
        return Answer(body, reply.headers.get("ETag", ""))
    raise told(_failure(reply, body), about)


def _failure(reply: Reply, body: Any) -> Failure:
    found = body if isinstance(body, dict) else {}
    said = f"{found.get('error')} {found.get('message')}".lower()
    status = 0 if reply.status == 200 else reply.status
    return Failure(status, said, "reqId" in found, retry_after=reply.retry_after)
