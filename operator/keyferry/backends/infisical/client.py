"""The only place that sends something to Infisical: aiohttp, on the operator's own event loop."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from yarl import URL

from keyferry.backends import certificates
from keyferry.backends.infisical.errors import About, Failure, told
from keyferry.backends.route import Proxy, Route
from keyferry.errors import BackendUnavailable, CredentialsMissing

_PATIENCE = 0.9  # of the store's timeout: so that an error that names the address comes before the budget's
_LARGEST = 64 * 1024 * 1024  # bytes of an answer: one call brings a whole folder


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
    session: aiohttp.ClientSession = field(repr=False)
    route: Route
    proxy: Proxy | None

    @property
    def host(self) -> str:
        return urlsplit(self.site).netloc

    async def ask(self, about: About, request: Request, token: str | None) -> Answer:
        """What Infisical answers. Raises SyncError."""
        if self.session.closed:
            raise BackendUnavailable("the store changed in the meantime; the next try uses the new one")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if request.etag:
            headers["If-None-Match"] = request.etag
        url = URL(f"{self.site}{request.path}", encoded=True).with_query(dict(request.query))
        with _mapped(about, self.route, self.site):
            async with self.session.request(
                request.method,
                url,
                data=None if request.body is None else orjson.dumps(request.body),
                headers={**headers, "Content-Type": "application/json"} if request.body is not None else headers,
                allow_redirects=False,  # a token must not travel to an address that nobody allowed
                proxy=self.proxy.address if self.proxy else None,
                proxy_headers=self.proxy.headers if self.proxy else None,
            ) as response:
                return await _content(response, request, about)

    async def aclose(self) -> None:
        await self.session.close()


def client(site: str, timeout: float, size: int, ca: bytes | None, route: Route) -> Client:
    """A client that has not connected yet. Raises CredentialsMissing where the certificates are none."""
    proxy = route.to(site)
    trusted = True if ca is None else _context(ca)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=size, ssl=trusted),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout * _PATIENCE),
        headers={"User-Agent": "keyferry", "Accept": "application/json"},
        trust_env=False,  # it would look for a .netrc of the operator's, too
    )
    return Client(site.rstrip("/"), session, route, proxy)


def _context(ca: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies, and trusts nobody yet
    with suppress(ssl.SSLError, ValueError):
        context.load_verify_locations(cadata=ca.decode("ascii", "ignore"))  # bundles have comments in any language
        return context
    raise CredentialsMissing("spec.provider.infisical.caProvider: what it names holds no certificates in PEM")


async def _content(response: aiohttp.ClientResponse, request: Request, about: About) -> Answer:
    if response.status == 304 and request.etag:
        return Answer({}, request.etag, unchanged=True)
    text = await _read(response, about)
    body: Any = None
    with suppress(ValueError):
        body = orjson.loads(text)
    if response.status == 200 and isinstance(body, dict):
        return Answer(body, response.headers.get("ETag", ""))
    raise told(_failure(response, body), about)


async def _read(response: aiohttp.ClientResponse, about: About) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        if (size := size + len(part)) > _LARGEST:
            raise told(Failure(response.status if response.status != 200 else 0, own=False), about)
    return b"".join(parts)


def _failure(response: aiohttp.ClientResponse, body: Any) -> Failure:
    found = body if isinstance(body, dict) else {}
    said = f"{found.get('error')} {found.get('message')}".lower()
    seconds = _seconds(response.headers.get("Retry-After"))
    return Failure(0 if response.status == 200 else response.status, said, "reqId" in found, retry_after=seconds)


def _seconds(retry_after: str | None) -> float | None:
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    with suppress(ValueError):
        at = parsedate_to_datetime(retry_after)
        return max(0.0, (at - datetime.now(at.tzinfo)).total_seconds())
    return None


@contextmanager
def _mapped(about: About, route: Route, site: str) -> Iterator[None]:
    """Whatever aiohttp raises inside becomes one of our errors, without what it was told of the request."""
    try:
        yield
    except (aiohttp.ClientError, OSError, ValueError) as e:
        failure = route.fault(e, about.operation, site) or told(Failure(classes=_classes(e)), about)
    else:
        return
    raise failure


def _classes(error: Exception) -> tuple[str, ...]:
    """The names of the exception's classes; before them what is wrong with a certificate, if that is it."""
    names = tuple(cls.__name__ for cls in type(error).__mro__)
    found = getattr(error, "certificate_error", None)
    if isinstance(found, ssl.SSLCertVerificationError):
        return (certificates.kind(found.verify_code), *names)
    return names
