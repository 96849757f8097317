"""One API server over HTTP, for one store: plain JSON, no redirects, limits on time and size.

Not `kube.client.Kube`: that logs in again as the operator itself, follows redirects, and counts as the operator's own
requests. Where objects are, and the forms to ask for, are the same.
"""

import os
import ssl
import tempfile
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from keyferry.backends import retry_after
from keyferry.backends.https import TooLarge, body_of
from keyferry.backends.kubernetes.errors import About, broken, refused, senseless
from keyferry.backends.route import Route
from keyferry.errors import BackendUnavailable, CredentialsMissing, SyncError
from keyferry.kube.client import JSON

Json = dict[str, Any]
_PATIENCE = 0.9  # of the store's timeout: so that our error, which names the address, comes before the budget's
_LARGEST = 96 * 1024 * 1024  # bytes of one answer: fifty Secrets of the largest size, in Base64
_LONGEST_LINE = 1024 * 1024  # of a watch: metadata may have large annotations
_BROKEN = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked."""

    path: str
    method: str = "GET"
    query: Mapping[str, str] = field(default_factory=dict)
    accept: str = JSON
    body: Any = field(default=None, repr=False)
    content_type: str = JSON


class Client:
    """Connections to one server, as many as the store may make calls at once, and one for a watch."""

    def __init__(
        self, url: str, trust: ssl.SSLContext, *, timeout: float, connections: int, route: Route | None
    ) -> None:
        """Without a route it is asked directly, whatever the environment says."""
        self.host = urlsplit(url).netloc
        self._url = url.rstrip("/")
        self._route = route
        self._proxy = route.to(url) if route else None
        self._limit = aiohttp.ClientTimeout(total=timeout * _PATIENCE)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trust, limit=connections + 1),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=_LONGEST_LINE,
            trust_env=False,  # a .netrc would be looked for
        )

    async def close(self) -> None:
        """Let go of all connections."""
        await self._session.close()

    async def ask(self, about: About, token: str | None, request: Request) -> Json:
        """The answer's JSON object. Raises SyncError."""
        try:
            response = await self._sent(token, request, self._limit)
            with _ended(response):
                content = await _content(response, about)
        except _BROKEN as failure:
            raise self._told(failure, about) from None
        return _parsed(content, about)

    async def listen(self, about: About, token: str | None, request: Request) -> aiohttp.ClientResponse:
        """An answer that is still being told, for `lines`. Raises SyncError."""
        unlimited = aiohttp.ClientTimeout(total=None)  # the budget holds the limit until it begins, the listener after
        try:
            response = await self._sent(token, request, unlimited)
            if response.status != 200:
                with _ended(response):
                    await _content(response, about)
        except _BROKEN as failure:
            raise self._told(failure, about) from None
        return response

    def _told(self, failure: Exception, about: About) -> SyncError:
        fault = self._route.fault(failure, about.operation, self._url) if self._route else None
        return fault or broken(failure, about)

    async def _sent(self, token: str | None, request: Request, limit: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        if self._session.closed:
            raise BackendUnavailable("the store changed in the meantime; the next try uses the new one")
        headers = {"Accept": request.accept, "Accept-Encoding": "identity", "User-Agent": "keyferry"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        return await self._session.request(
            request.method,
            f"{self._url}{request.path}",
            params=request.query,
            data=None if request.body is None else orjson.dumps(request.body),
            headers=headers,
            allow_redirects=False,  # the next address would be one that nobody has allowed
            proxy=self._proxy.address if self._proxy else None,
            proxy_headers=self._proxy.headers if self._proxy else None,
            timeout=limit,
        )


@asynccontextmanager
async def lines(response: aiohttp.ClientResponse, about: About) -> AsyncGenerator[AsyncGenerator[Json, None], None]:
    """The events of a watch. Leaving the context breaks it off."""

    async def told() -> AsyncGenerator[Json, None]:
        try:
            async for line in response.content:
                yield _parsed(line, about)
        except (*_BROKEN, ValueError) as failure:
            raise broken(failure if isinstance(failure, _BROKEN) else OSError(), about) from None

    with _ended(response):
        yield told()


@contextmanager
def _ended(response: aiohttp.ClientResponse) -> Iterator[None]:
    """Afterwards the connection serves others where all was read; else it is cut, without a farewell of TLS's."""
    try:
        yield
    finally:
        if response.connection is not None and response.connection.transport is not None:
            response.connection.transport.abort()
        response.close()


async def _content(response: aiohttp.ClientResponse, about: About) -> bytes:
    """All of it, so that the connection can be used again. Raises SyncError where it is a refusal."""
    try:
        whole = await body_of(response, _LARGEST)
    except TooLarge as e:
        raise BackendUnavailable(f"{about.host} answers {about.operation} with {e}") from None
    if response.status >= 300:
        raise refused(response.status, about, retry_after.seconds(response.headers.get("Retry-After")))
    return whole


def _parsed(content: bytes, about: About) -> Json:
    try:
        answer = orjson.loads(content)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise senseless(about)
    return answer


def trusting(authority: bytes | None, certificate: bytes, key: bytes, where: str) -> ssl.SSLContext:
    """Who is trusted, and what is shown as one's own certificate. Raises CredentialsMissing; takes a while."""
    try:
        trust = ssl.create_default_context(cadata=authority.decode("ascii") if authority else None)
    except (ssl.SSLError, ValueError):
        raise CredentialsMissing(f"{where}: what names the authority to trust holds no certificates in PEM") from None
    if certificate:
        try:
            _show(trust, certificate + b"\n" + key)
        except (ssl.SSLError, ValueError):
            raise CredentialsMissing(
                f"{where} holds no certificate in PEM with its own private key, without a password"
            ) from None
    return trust


def _show(trust: ssl.SSLContext, pem: bytes) -> None:
    """Python takes a certificate from a file only: from one in memory, where there can be such, lest it be on disk."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("certificate"), "wb") as file:
            file.write(pem)
            file.flush()
            trust.load_cert_chain(f"/proc/self/fd/{file.fileno()}", password=lambda: "")
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem)
        file.flush()
        trust.load_cert_chain(file.name, password=lambda: "")
