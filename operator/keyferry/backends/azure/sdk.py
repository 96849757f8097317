"""Everything that touches Azure's SDK. Imported on first use and off the event loop: it takes most of a second.

Clients and credentials are made so that a store which brings its own login can reach nothing of the operator's.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from azure.core.credentials import AccessToken as SdkToken
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import CustomHookPolicy, ProxyPolicy, SansIOHTTPPolicy, UserAgentPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.keyvault.secrets.aio import SecretClient

from keyferry.backends import certificates, retry_after
from keyferry.backends.azure.errors import About, Failure, told
from keyferry.backends.azure.place import Place
from keyferry.backends.azure.wallet import AccessToken
from keyferry.backends.route import Route
from keyferry.errors import BackendUnavailable, SpecInvalid

_PATIENCE = 0.9  # of the store's timeout: so that the SDK's error, which names the address, comes before the budget's
# At DEBUG they log headers and what servers say; of a failed login even at WARNING, in Entra's own words.
_LOUD = {"azure": logging.WARNING, "azure.identity": logging.ERROR, "msal": logging.WARNING}
# What the SDK's own parser trips over when an answer is not what its model says.
TRIPPED = (TypeError, ValueError, LookupError, AttributeError, RecursionError)


class _Connector(aiohttp.TCPConnector):
    """Waits for a proxy no longer than for anybody else: of its answer the SDK's own timeouts know nothing."""

    def __init__(self, patience: float, **how: Any) -> None:
        super().__init__(**how)
        self._patience = patience

    async def connect(self, *args: Any, **how: Any) -> Any:
        async with asyncio.timeout(self._patience):
            return await super().connect(*args, **how)


class Transport(AioHttpTransport):  # type: ignore[misc]  # it is imported when it is looked up
    """Remembers what went wrong on the way to a host: the SDK's chain of credentials tells it in words of its own."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self._met: dict[str, AzureError] = {}

    async def send(self, request: Any, **config: Any) -> Any:
        try:
            return await super().send(request, **config)
        except AzureError as e:
            self._met[urlsplit(request.url).netloc] = e
            raise

    def met(self, host: str) -> AzureError | None:
        """The last failure to get an answer from there."""
        return self._met.get(host)


@dataclass(frozen=True, slots=True)
class Network:
    """How a store reaches others: whom it trusts besides the system's authorities, and for how long it waits."""

    timeout: float  # the store's, of one call
    concurrency: int
    route: Route
    authorities: str = ""  # PEM

    def transport(self) -> Transport:
        """A transport of its own, with connections of its own. TLS is verified always."""
        trusted = _trusting(self.authorities) if self.authorities else True
        patience = self.timeout * _PATIENCE
        session = aiohttp.ClientSession(
            connector=_Connector(patience, ssl=trusted, limit=self.concurrency),
            trust_env=False,  # else passwords from a .netrc of the operator's would go to hosts that a store names
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        return Transport(session=session, connection_timeout=patience, read_timeout=patience)

    def proxies(self, url: str) -> dict[str, str]:
        """The proxy on the way to an address, as the SDK takes it."""
        proxy = self.route.to(url)
        return {"https": proxy.url} if proxy else {}


def _trusting(authorities: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cadata=authorities)
    except (ssl.SSLError, ValueError) as e:
        raise SpecInvalid("spec.provider.azure.caProvider: what it names holds no certificates in PEM") from e
    return context


class _Bearer(SansIOHTTPPolicy[Any, Any]):
    """Shows the token of the moment to the vault, and to nobody else.

    The SDK's own policy asks the vault which token it wants, which costs a call and lets the vault name it. Here the
    store's cloud decides, before anybody is asked; and a page that leads elsewhere is not followed.
    """

    def __init__(self, vault: str, token: Callable[[], AccessToken]) -> None:
        self._origin = _origin(vault)
        self._token = token

    def on_request(self, request: PipelineRequest[Any]) -> None:
        if _origin(request.http_request.url) != self._origin:
            raise BackendUnavailable(f"vault {self._origin[1]} leads to another address, which is not followed")
        request.http_request.headers["Authorization"] = f"Bearer {self._token().text}"


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or 443


class _Handed(AsyncTokenCredential):
    """Stands where the SDK wants a credential; the policy above shows the token."""

    async def get_token(self, *scopes: str, **kwargs: Any) -> SdkToken:
        raise NotImplementedError

    async def close(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


def client(place: Place, network: Network, token: Callable[[], AccessToken]) -> SecretClient:
    """A client for the vault. It retries nothing (the scheduler does), follows nothing and logs nothing."""
    quiet()
    way = ProxyPolicy(network.proxies(place.vault))
    policies = [UserAgentPolicy("keyferry"), way, _Bearer(place.vault, token), CustomHookPolicy()]
    return SecretClient(place.vault, _Handed(), transport=network.transport(), policies=policies)


def quiet() -> None:
    """Hold the SDK's loggers, whatever the root logger's owner meant."""
    for name, level in _LOUD.items():
        logging.getLogger(name).setLevel(level)


@contextlib.contextmanager
def mapped(about: About, route: Route) -> Iterator[None]:
    """Whatever the SDK raises inside becomes one of our errors."""
    try:
        yield
    except (AzureError, OSError, *TRIPPED) as e:
        raise route.fault(e, about.operation.name, f"https://{about.host}") or told(failure_of(e), about) from e


def failure_of(error: BaseException) -> Failure:
    """An exception of the SDK's in codes."""
    response: Any = error.response if isinstance(error, HttpResponseError) else None
    if response is not None and response.status_code >= 300:
        return Failure(
            status=response.status_code,
            code=_innermost_code(response),
            retry_after=retry_after.seconds(response.headers.get("Retry-After")),
        )
    if isinstance(error, ServiceRequestTimeoutError | ServiceResponseTimeoutError | TimeoutError):
        return Failure("timeout")
    cause = getattr(error, "inner_exception", None) or error
    if wrong := certificates.refused(cause):
        return Failure(wrong)
    for kind, classes in _KINDS:
        if isinstance(cause, classes):
            return Failure(kind)
    return Failure("broken off" if isinstance(error, ServiceResponseError) else "senseless")


_KINDS: tuple[tuple[str, tuple[type[BaseException], ...]], ...] = (
    ("no TLS", (aiohttp.ClientConnectorSSLError, ssl.SSLError)),
    ("unknown host", (aiohttp.ClientConnectorDNSError, socket.gaierror)),
    ("unreachable", (aiohttp.ClientConnectorError,)),
    ("broken off", (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, OSError)),
)


def _innermost_code(response: Any) -> str:
    """Key Vault's code for what is wrong; the inner one says most."""
    try:
        error = response.json()["error"]
        inner = error.get("innererror") or {}
        code = inner.get("code") or error.get("code")
    except (*TRIPPED, AzureError):
        return ""
    return code if isinstance(code, str) else ""
