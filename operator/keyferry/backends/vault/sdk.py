"""Everything that touches Vault's SDK. Imported on first use and in a thread: it takes a while.

hvac's own `Client` is left aside: it reads a token, addresses and certificates from the operator's environment and
home. Its adapters and API classes read nothing that they are not given.
"""

import logging
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
from hvac.adapters import JSONAdapter
from hvac.exceptions import VaultError
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

from keyferry.backends import certificates, retry_after
from keyferry.backends.route import Proxy, Route
from keyferry.backends.vault.errors import About, Failure, told

_PATIENCE = 0.9  # of the store's timeout: so that the SDK's error, which names the address, comes before the budget's
_LOUD = ("hvac", "requests", "urllib3")  # they log addresses with all that is in them at debug level
# What hvac's and our own reading of an answer trips over when it is not what the API says.
_TRIPPED = (TypeError, ValueError, LookupError, AttributeError, RecursionError)


class _Connections(HTTPAdapter):
    """Connections that end when they are told to, and not when some forgotten answer is collected as garbage."""

    def __init__(self, size: int) -> None:
        super().__init__(pool_connections=1, pool_maxsize=size)

    def close(self) -> None:
        for key in self.poolmanager.pools.keys():  # noqa: SIM118 - it cannot be iterated
            self.poolmanager.pools[key].close()
        super().close()


class _Trusting(_Connections):
    """Trusts just the authorities that it was given: neither the SDK's own nor those of the operator's environment."""

    def __init__(self, trusted: ssl.SSLContext, size: int) -> None:
        self._trusted = trusted
        super().__init__(size)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._trusted)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, **kwargs, ssl_context=self._trusted)

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:  # noqa: ARG002
        return super().build_connection_pool_key_attributes(request, verify=True, cert=cert)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ARG002 - always verified
        conn.cert_reqs = "CERT_REQUIRED"


@dataclass(frozen=True, slots=True)
class Client:
    """One pool of connections to one Vault."""

    server: str
    namespace: str | None
    timeout: float  # the store's, of one call
    session: requests.Session = field(repr=False)
    route: Route
    proxies: Mapping[str, str | None] = field(repr=False)

    @property
    def host(self) -> str:
        return urlsplit(self.server).netloc

    def ask(self, about: About, token: str | None, call: Callable[[JSONAdapter], Any]) -> dict[str, Any]:
        """What Vault answers to the call, as JSON; empty where it only says that it did it. Raises SyncError."""
        adapter = JSONAdapter(
            base_uri=self.server,
            token=token,
            namespace=self.namespace,
            session=self.session,
            proxies=self.proxies,
            timeout=self.timeout * _PATIENCE,
            allow_redirects=False,  # a tenant's address could send us, and the token, to one that was not allowed
            ignore_exceptions=True,  # they know neither the status nor Retry-After
            strict_http=True,  # not every proxy lets the method LIST through
        )
        with self._mapped(about):
            said = call(adapter)
            if isinstance(said, requests.Response):
                return _content(said, about)
            if not isinstance(said, dict):
                raise TypeError("no map")
            return said

    def close(self) -> None:
        self.session.close()

    @contextmanager
    def _mapped(self, about: About) -> Iterator[None]:
        """Whatever the SDK raises inside becomes one of our errors."""
        try:
            yield
        except (requests.RequestException, HTTPError, VaultError, OSError, *_TRIPPED) as e:
            fault = self.route.fault(e, about.operation, self.server)
            raise fault or told(Failure(classes=certificates.kinds(e)), about) from e


def client(server: str, namespace: str | None, limits: tuple[float, int], ca: bytes | None, route: Route) -> Client:
    """A client that has not connected yet. Raises CredentialsMissing where the certificates are none.

    `limits`: seconds of one call, and how many calls at once.
    """
    timeout, size = limits
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
    where = "spec.provider.vault.caProvider"
    trusted = None if ca is None else certificates.trusting(ca, where, create_urllib3_context())
    session = requests.Session()
    session.auth = _as_it_is  # else a .netrc of the operator's would be looked for
    session.mount("https://", _Trusting(trusted, size) if trusted else _Connections(size))
    session.mount("http://", _Connections(size))
    return Client(server.rstrip("/"), namespace, timeout, session, route, _through(route.to(server)))


def _through(proxy: Proxy | None) -> dict[str, str | None]:
    """For every scheme, so that nothing is taken from the environment in another way."""
    return dict.fromkeys(("http", "https", "all"), proxy.url if proxy else None)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _content(response: requests.Response, about: About) -> dict[str, Any]:
    """Hvac hands an answer over as it came where its status is not 200, or it holds no JSON."""
    if response.status_code == 204:
        return {}
    if response.status_code == 200:
        raise ValueError("no JSON")
    body: Any = None
    with suppress(ValueError):
        body = response.json()
    body = body if isinstance(body, dict) else {}
    said = [str(each) for each in body.get("errors") or ()]
    wait = retry_after.seconds(response.headers.get("Retry-After"))
    raise told(Failure(response.status_code, said, body=body, retry_after=wait), about)
