"""HTTP for backends without an SDK worth using: aiohttp on the operator's own event loop, limited in time and size.

What aiohttp raises ends here: it may quote a request. `Broken` has no more than the names of what was raised.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from yarl import URL

from keyferry.backends import certificates, retry_after
from keyferry.backends.route import Route
from keyferry.errors import BackendUnavailable

_PATIENCE = 0.9  # of the store's timeout: so that an error that names the address comes before the budget's
_LARGEST = 64 * 1024 * 1024  # bytes of an answer: one call may bring a whole folder


class TooLarge(ValueError):
    """An answer is larger than any should be."""


class Broken(Exception):
    """No answer. `kinds`: what is wrong with a certificate, if that is it, then names of exceptions' classes."""

    def __init__(self, kinds: tuple[str, ...]) -> None:
        super().__init__(*kinds)
        self.kinds = kinds


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    content: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)  # whatever the case of their names

    @property
    def json(self) -> Any:
        """What the content means as JSON; None where it is none."""
        with suppress(ValueError):
            return orjson.loads(self.content)
        return None

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server tells to wait, if it does."""
        return retry_after.seconds(self.headers.get("Retry-After"))


@dataclass(frozen=True, slots=True)
class Https:
    """One store's connections."""

    session: aiohttp.ClientSession = field(repr=False)
    route: Route

    async def send(
        self,
        operation: str,
        method: str,
        url: URL,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Reply:
        """One call. Raises Broken where nothing comes back, SyncError where that is the proxy's doing.

        Raises BackendUnavailable where the store has ended.
        """
        if self.session.closed:
            raise BackendUnavailable("the store changed in the meantime; the next try uses the new one")
        at = str(url.origin())
        proxy = self.route.to(at)
        try:
            async with self.session.request(
                method,
                url,
                data=content,
                headers=headers,
                allow_redirects=False,  # a token must not travel to an address that nobody allowed
                proxy=proxy.address if proxy else None,
                proxy_headers=proxy.headers if proxy else None,
            ) as response:
                return Reply(response.status, await body_of(response, _LARGEST), response.headers)
        except (aiohttp.ClientError, OSError, ValueError) as e:
            failure = self.route.fault(e, operation, at) or Broken(certificates.kinds(e))
        raise failure

    async def aclose(self) -> None:
        await self.session.close()


def connections(timeout: float, size: int, ca: bytes | None, field_: str, route: Route) -> Https:
    """As many as `size` at once, none of them made yet; `ca`: authorities to trust instead of the operator's.

    Raises CredentialsMissing where these are none; `field_` is what named them.
    """
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=size, ssl=True if ca is None else certificates.trusting(ca, field_)),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout * _PATIENCE),
        headers={"User-Agent": "keyferry", "Accept": "application/json"},
        trust_env=False,  # it would look for a .netrc of the operator's, too
    )
    return Https(session, route)


def unreached(kinds: tuple[str, ...], operation: str, host: str) -> BackendUnavailable | None:
    """What to say of a server that was not reached; None where nothing is known of such a failure."""
    for kind in kinds:
        if wrong := certificates.WORDS.get(kind) or _NO_TLS.get(kind):
            return certificates.Untrusted(f"{operation}: no secure connection to {host}: {wrong}")
        if how := _OUT_OF_REACH.get(kind):
            return BackendUnavailable(f"{operation}: {how.format(host=host)}")
    return None


_NO_TLS = dict.fromkeys(("ClientSSLError", "SSLError"), "there is no agreement on TLS; is it https at all?")
_OUT_OF_REACH = {
    **dict.fromkeys(("ServerTimeoutError", "TimeoutError"), "{host} does not answer in time"),
    "ClientConnectorError": "cannot connect to {host}",
    "ClientPayloadError": "{host} breaks off",
    "ClientConnectionError": "{host} breaks off",
    "OSError": "cannot talk to {host}",
}


async def body_of(response: aiohttp.ClientResponse, most: int) -> bytes:
    """All of an answer's body. Raises TooLarge as soon as more than so many bytes have come."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        if (size := size + len(part)) > most:
            raise TooLarge(f"more than {most} bytes")
    return b"".join(parts)
