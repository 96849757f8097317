"""The only place that sends something to Elasticsearch: a node of the official client's, over aiohttp.

The client's own node follows redirects, takes any answer into memory, compares no name with the certificate of an IP
address, knows no proxy and logs bodies. Hence this one.
"""

import functools
from contextlib import suppress
from io import BytesIO
from typing import Any

import aiohttp
import orjson
from elastic_transport import (
    ApiResponseMeta,
    BaseAsyncNode,
    ConnectionError,  # noqa: A004 - the client's name for a node that was not reached
    ConnectionTimeout,
    HttpHeaders,
    NodeConfig,
    TransportError,
)
from elastic_transport._node import NodeApiResponse
from elastic_transport.client_utils import DEFAULT, DefaultType
from yarl import URL

from keyferry.backends import certificates
from keyferry.backends.elasticsearch.errors import Failure
from keyferry.backends.https import TooLarge, body_of
from keyferry.backends.retry_after import seconds
from keyferry.backends.route import Route

LARGEST_ANSWER = 32 * 1024 * 1024  # bytes
# Of a configuration's extras:
CONNECTING = "_keyferry_connecting"  # seconds until another node is asked
ROUTE = "_keyferry_route"  # the way out
_PRODUCT = "x-elastic-product"  # a header of what Elasticsearch answers, but for some refusals


class Unreached(ConnectionError):
    """Nothing was sent: the client asks another node, where there is one."""


class Lost(ConnectionTimeout):
    """Something may have been sent, and no whole answer came: no other node is asked, for it may have been a write."""


class Unusable(TransportError):
    """What came back is too much, or not of Elasticsearch's making. The node is there, and is asked again."""


class Node(BaseAsyncNode):
    """One address. Its connections are made when it is first asked, and none after it was closed."""

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._route: Route = config._extras[ROUTE]  # noqa: SLF001 - they are there for nodes of others' making
        self._proxy = self._route.to(self.base_url)

    async def perform_request(  # type: ignore[override]
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: DefaultType | float | None = DEFAULT,
    ) -> NodeApiResponse:
        """What comes back, whatever its status. Raises TransportError, whose message is a Failure."""
        del request_timeout  # the configuration's holds for every call
        if self._closed:
            raise Lost(Failure(classes=("Closed",)))
        failed: TransportError
        try:
            async with self._connections().request(
                method,
                URL(f"{self.base_url}{target}", encoded=True),
                data=None if body is None else BytesIO(body),  # bytes of more than 1 MiB are warned of
                headers={**self.headers, **(headers or {})},
                allow_redirects=False,  # a login must not travel to an address that nobody allowed
                proxy=self._proxy.address if self._proxy else None,
                proxy_headers=self._proxy.headers if self._proxy else None,
            ) as response:
                return self._answer(response, await body_of(response, LARGEST_ANSWER))
        except TooLarge:
            failed = Unusable(Failure(classes=("TooLarge",)))
        except (aiohttp.ClientError, OSError, ValueError) as e:
            failed = self._told(e)
        raise failed  # apart from what it was told of the request

    async def close(self) -> None:  # type: ignore[override]
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _connections(self) -> aiohttp.ClientSession:
        if self._session is None:
            config = self.config
            connecting = config._extras[CONNECTING]  # noqa: SLF001 - they are there for nodes of others' making
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=config.connections_per_node, ssl=config.ssl_context or True),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=config.request_timeout, sock_connect=connecting),
                trust_env=False,  # it would look for a .netrc of the operator's, too
            )
        return self._session

    def _answer(self, response: aiohttp.ClientResponse, body: bytes) -> NodeApiResponse:
        headers = HttpHeaders({name.lower(): text for name, text in response.headers.items()})
        if _PRODUCT not in headers and not _refusal(response.status, body):
            raise Unusable(Failure(response.status, own=False, retry_after=seconds(headers.get("retry-after"))))
        headers.pop("warning", None)  # the client would make Python's warnings of it, with the server's words
        return NodeApiResponse(ApiResponseMeta(response.status, "1.1", headers, 0.0, self.config), body)

    def _told(self, error: Exception) -> TransportError:
        classes = certificates.kinds(error)
        fault = functools.partial(self._route.fault, error, url=self.base_url)
        never_sent = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
        return (Unreached if never_sent else Lost)(
            Failure(classes=classes, of_proxy=lambda operation: fault(operation=operation))
        )


def _refusal(status: int, body: bytes) -> bool:
    """Whether it is a refusal of Elasticsearch's, which does not always name itself."""
    told: Any = None
    with suppress(ValueError):
        told = orjson.loads(body)
    return isinstance(told, dict) and "error" in told and told.get("status") == status
