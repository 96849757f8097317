"""How a store's connections leave: through the proxy of its spec, else through that of the operator's environment.

What a backend does: `route = await route_of(context)` when it connects, `route.to(url)` for each address that it asks,
and `route.fault(…)` for whatever then goes wrong, before its own table of errors. Its provider says `proxied = True`.
"""

import base64
import ipaddress
import re
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from keyferry.api.providers.references import SecretKeyRef
from keyferry.backends.address import checked_address
from keyferry.backends.base import Context
from keyferry.backends.wrapped import within
from keyferry.errors import AuthFailed, BackendUnavailable, CredentialsMissing, SpecInvalid, SyncError

# Who hands credentials to pods and machines: AWS's (instance, task, EKS's agent), Google's and Azure's. They are the
# node's own, and a proxy would get its own credentials there, or the pod's.
METADATA = ("169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23")
_NEVER = ("localhost", "127.0.0.1", "::1", *METADATA, "metadata.google.internal", "metadata")

_TUNNEL = re.compile(r"(?:Tunnel connection failed: |HTTP proxy returned response code )([1-5][0-9]{2})")
_NO_PROXY_THERE = frozenset({"ClientProxyConnectionError", "ProxyConnectionError", "ProxyError"})
_GRPC_UNAVAILABLE = "ServiceUnavailable"  # with a proxy, it is the proxy that gRPC connects to
_GRPC_NOBODY = re.compile(r"Failed to connect to remote host|DNS resolution failed|errors resolving|Connection refused")
_LATE = frozenset(
    {
        *("TimeoutError", "Timeout", "ConnectTimeoutError", "ReadTimeoutError", "DeadlineExceeded"),
        *("ServiceRequestTimeoutError", "ServiceResponseTimeoutError"),
    }
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy that is asked to CONNECT, and the login there."""

    address: str  # http://host:port
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    login: str = ""  # where the login is from, as error texts call it

    @property
    def name(self) -> str:
        return urlsplit(self.address).netloc

    @property
    def url(self) -> str:
        """With the login in it, as SDKs take it: never to be shown."""
        if not self.user:
            return self.address
        scheme, _, rest = self.address.partition("://")
        return f"{scheme}://{quote(self.user, safe='')}:{quote(self.password, safe='')}@{rest}"

    @property
    def headers(self) -> dict[str, str]:
        """What the proxy is to be sent, and nobody else."""
        if not self.user:
            return {}
        word = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Proxy-Authorization": f"Basic {word}"}


@dataclass(frozen=True, slots=True)
class Route:
    """The way out of one store."""

    own: Proxy | None = None  # the store's; None: as the environment says

    def to(self, url: str) -> Proxy | None:
        """The proxy on the way to an address; None where there is none. Raises SpecInvalid.

        Through the store's own proxy goes nothing but TLS: else it would read tokens and values.
        """
        if self.own is None:
            return _of_environment(url)
        if not url.startswith("https://"):
            raise SpecInvalid(f"spec.proxy: {url} is asked without TLS, so that the proxy would read along: use https")
        return self.own

    def fault(self, error: BaseException, operation: str, url: str) -> SyncError | None:
        """What the proxy on the way has to do with a failure; None where it has nothing to do with it."""
        proxy = self.to(url)
        if proxy is None:
            return None
        host, found = urlsplit(url).netloc, tuple(within(error))
        if status := next((status for each in found if (status := _status(each))), 0):
            return _refused(status, proxy, operation, host)
        if any(_late(each) for each in found):
            return BackendUnavailable(f"{operation}: {host} does not answer in time through the proxy {proxy.name}")
        if any(_unconnected(each) for each in found):
            return BackendUnavailable(f"{operation}: cannot connect to the proxy {proxy.name} on the way to {host}")
        return None


async def route_of(context: Context) -> Route:
    """The store's way out; its proxy's login is read anew. Raises SyncError where it may not, or cannot, be used."""
    spec = context.proxy
    if spec is None:
        return Route()
    address = checked_address("spec.proxy.url", spec.url, context.endpoint_allowed).rstrip("/")
    if spec.secret_ref is None:
        return Route(Proxy(address))
    name, namespace = spec.secret_ref.name, spec.secret_ref.namespace
    where = f"Secret {namespace or context.store.namespace}/{name}"

    async def word(key: str, without: bytes = b"") -> str:
        held = await context.cluster.secret(SecretKeyRef(name=name, key=key, namespace=namespace))
        return _word(held.rstrip(b"\r\n"), f"{where}, key {key}", without)

    # The keys are those of a Secret of type kubernetes.io/basic-auth.
    return Route(Proxy(address, await word("username", b":"), await word("password"), f"the login in {where}"))


def sparing_metadata(environment: MutableMapping[str, str]) -> None:
    """Let no proxy of the environment stand between this process and its own machine, nor who hands it credentials.

    SDKs ask there by themselves, each by its own reading of the environment; they all read this.
    """
    known = environment.get("no_proxy", environment.get("NO_PROXY", ""))
    if "*" not in known.split(",") and any(name.lower().endswith("_proxy") for name in environment):
        spared = ",".join(filter(None, (known, *_NEVER)))
        environment["no_proxy"] = environment["NO_PROXY"] = spared


def _word(held: bytes, where: str, without: bytes) -> str:
    if not held or not all(0x20 <= byte <= 0x7E and byte not in without for byte in held):
        raise CredentialsMissing(
            f"{where} cannot be part of a proxy's login: it must be printable ASCII, a user without colon"
        )
    return held.decode("ascii")


def _of_environment(url: str) -> Proxy | None:
    parts, known = urlsplit(url), getproxies()
    said = known.get(parts.scheme) or known.get("all")
    if not said or proxy_bypass(parts.netloc) or _spared(parts.hostname or "", known.get("no", "")):
        return None
    scheme, _, rest = said.rpartition("://")
    login, _, place = rest.rpartition("@")
    user, _, password = login.partition(":")
    return Proxy(f"{scheme or 'http'}://{place.rstrip('/')}", unquote(user), unquote(password))


def _spared(host: str, spared: str) -> bool:
    """Whether NO_PROXY names an address of IPv6, or a network (10.0.0.0/8), which Python's own reading leaves out."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(_holds(each.strip(), address) for each in spared.split(","))


def _holds(network: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _status(error: BaseException) -> int:
    """What the proxy answered to CONNECT; 0 where this does not tell of it."""
    if _named(error, {"ClientHttpProxyError"}):
        return int(getattr(error, "status", 0))
    found = _TUNNEL.search(str(error))
    return int(found[1]) if found else 0


def _late(error: BaseException) -> bool:
    # To urllib3 a refused connection is one that came too late, too.
    return _named(error, _LATE) and not _named(error, {"NewConnectionError"})


def _unconnected(error: BaseException) -> bool:
    if _named(error, {_GRPC_UNAVAILABLE}):
        return _GRPC_NOBODY.search(str(error)) is not None
    return _named(error, _NO_PROXY_THERE)


def _named(error: BaseException, names: frozenset[str] | set[str]) -> bool:
    return not names.isdisjoint(cls.__name__ for cls in type(error).__mro__)


def _refused(status: int, proxy: Proxy, operation: str, host: str) -> SyncError:
    if status == 407:
        return AuthFailed(f"{operation}: the proxy {proxy.name} {_unaccepted(proxy)} (status 407)")
    if status >= 500:
        return BackendUnavailable(f"{operation}: the proxy {proxy.name} cannot reach {host} (status {status})")
    return BackendUnavailable(f"{operation}: the proxy {proxy.name} lets nobody through to {host} (status {status})")


def _unaccepted(proxy: Proxy) -> str:
    if proxy.user:
        return f"does not accept {proxy.login or 'the login of the environment'}"
    return "wants a login: name a Secret with username and password in spec.proxy.secretRef"
