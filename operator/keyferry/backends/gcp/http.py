"""Google's two services that logins ask over HTTPS: STS, and the IAM Credentials API."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from keyferry.backends import certificates, retry_after
from keyferry.backends.base import Context
from keyferry.backends.route import Route
from keyferry.errors import BackendUnavailable, CredentialsMissing, SyncError, Throttled

_LARGEST_ANSWER = 1024 * 1024  # bytes
_PATIENCE = 0.9  # of the store's timeout, as for gRPC


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the JSON that came with it; empty where it was none."""

    status: int
    content: Mapping[str, Any]


class Https:
    """Posts JSON, within the store's budget. Certificates are verified always."""

    def __init__(self, context: Context, ca: bytes | None, route: Route) -> None:
        self._context = context
        self.route = route
        self._trust = _trusting(ca)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, operation: str, url: str, body: Mapping[str, Any], bearer: str = "") -> Answer:
        """The answer, if it is one that tells of the request. Raises BackendUnavailable, Throttled."""
        return await self._context.call(operation, lambda: self._post(operation, url, body, bearer))

    async def _post(self, operation: str, url: str, body: Mapping[str, Any], bearer: str) -> Answer:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        host, proxy = urlsplit(url).netloc, self.route.to(url)
        try:
            async with self._opened().post(
                url,
                json=body,
                headers=headers,
                allow_redirects=False,
                proxy=proxy.address if proxy else None,
                proxy_headers=proxy.headers if proxy else None,
            ) as response:
                status, said = response.status, response.headers.get("Retry-After")
                text = await response.content.read(_LARGEST_ANSWER)
        except (aiohttp.ClientError, OSError, TimeoutError) as e:
            raise self.route.fault(e, operation, url) or _unreached(operation, host, e) from e
        if status == 429:
            raise Throttled(f"{host} is asked too often at {operation}", retry_after=retry_after.seconds(said))
        if status >= 500 or 300 <= status < 400:
            raise BackendUnavailable(f"{host} fails at {operation} (status {status})")
        return Answer(status, _parsed(text))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._trust, limit=self._context.concurrency),
                timeout=aiohttp.ClientTimeout(total=self._context.timeout * _PATIENCE),
                trust_env=False,  # a .netrc would be looked for
            )
        return self._session

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()


def _unreached(operation: str, host: str, error: Exception) -> SyncError:
    """What became of the connection, in words that hold nothing of the request."""
    if wrong := certificates.refused(error):
        how = f"no secure connection to {host}: {certificates.WORDS[wrong]}"
    elif isinstance(error, aiohttp.ClientSSLError):
        how = f"no secure connection to {host}"
    elif isinstance(error, TimeoutError | asyncio.TimeoutError):
        how = f"{host} does not answer in time"
    elif isinstance(error, aiohttp.ClientConnectorError):
        how = f"cannot connect to {host}"
    else:
        how = f"{host} breaks off"
    return BackendUnavailable(f"{operation}: {how}")


def _parsed(text: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _trusting(ca: bytes | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=ca.decode("ascii") if ca is not None else None)
    except (ssl.SSLError, UnicodeDecodeError, ValueError):
        pass
    raise CredentialsMissing("spec.provider.gcp.caProvider: what it names holds no certificates in PEM")
