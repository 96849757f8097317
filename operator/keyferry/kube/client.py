"""Requests to the API server as plain JSON, over the official client's configuration, credentials and connection.

The client's generated methods cost three times the CPU of plain JSON (measured), so they are not used.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
import orjson

from keyferry import metrics, tracing
from keyferry.errors import KubeUnavailable
from keyferry.kube import official
from keyferry.kube.errors import NotFound, Unauthorized, error_for
from keyferry.values import ApiServer

Json = dict[str, Any]
JSON = "application/json"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
APPLY = "application/apply-patch+yaml"  # JSON is YAML
MERGE_PATCH = "application/merge-patch+json"
_HEARTBEATS = "leases"  # not worth a trace every few seconds
_PATIENCE = 4  # times the limit of one request: so long is a connection waited for that is free


@dataclass(frozen=True, slots=True)
class At:
    """Where an object or a collection is, and what it is called in errors and metrics."""

    url: str
    resource: str
    what: str


def path(api: str, resource: str, namespace: str = "", name: str = "", *, sub: str = "") -> At:
    """`api` is v1 or group/version. Without a namespace: cluster-scoped, or all namespaces."""
    root = f"/api/{api}" if "/" not in api else f"/apis/{api}"
    parts = [
        root,
        *(["namespaces", namespace] if namespace else []),
        resource,
        *([name] if name else []),
        *([sub] if sub else []),
    ]
    target = "/".join(part for part in (namespace, name) if part)
    label = f"{resource}/{sub}" if sub else resource
    return At("/".join(parts), label, f"{label} {target}".strip())


def named(name: str) -> dict[str, str]:
    """The query by which a list or watch is of one object; a right to list that one suffices for it."""
    return {"fieldSelector": f"metadata.name={name}"}


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent to the API server."""

    method: str
    at: At
    body: Any = field(repr=False)
    content_type: str
    accept: str
    query: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.method} {self.at.what}"


Gate = Callable[[str], None]  # called with what is about to be sent; what it raises keeps it from being sent


async def configuration() -> Any:
    """Where the API server is and how to log in: KUBECONFIG, the pod's ServiceAccount, or ~/.kube/config."""
    loaded = official.Configuration()
    if os.environ.get("KUBECONFIG"):
        await official.load_kube_config(
            config_file=os.environ["KUBECONFIG"], client_configuration=loaded, persist_config=False
        )
    elif os.environ.get("KUBERNETES_SERVICE_HOST"):
        official.load_incluster_config(client_configuration=loaded)
    elif (Path.home() / ".kube" / "config").exists():
        await official.load_kube_config(client_configuration=loaded, persist_config=False)
    else:
        raise KubeUnavailable("no API server is configured: set KUBECONFIG, or run in a pod with a ServiceAccount")
    return loaded


@dataclass(slots=True)
class Kube:
    """A connection to the API server. Made by `connect`, closed by leaving its context."""

    config: Any
    timeout: float  # seconds, of one request
    connections: int  # for requests
    watches: int = 1  # at once, which have a connection of their own each
    _api: Any = field(init=False, repr=False)
    _slots: asyncio.Semaphore = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.connections)

    async def __aenter__(self) -> Self:
        self.config.connection_pool_maxsize = self.connections + self.watches + 1  # the one whose watch has just ended
        # A .netrc would be looked for at every request (7 % of the CPU of a first sync); nobody logs in here with one.
        self.config.client_session_kwargs = {"trust_env": False}
        self._api = official.ApiClient(configuration=self.config)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._api.close()

    def api_server(self) -> ApiServer:
        """Where it is, and by which certificates it is known."""
        authority = self.config.ca_cert_data
        if not authority and self.config.ssl_ca_cert:
            authority = Path(self.config.ssl_ca_cert).read_bytes()
        return ApiServer(self.config.host.rstrip("/"), authority.encode() if isinstance(authority, str) else authority)

    async def get(self, at: At, *, accept: str = JSON, **query: str) -> Json:
        """The object or list. Raises KubeError (NotFound, Forbidden, …) or KubeUnavailable."""
        return await self.send("GET", at, accept=accept, query=query)

    async def one(self, api: str, resource: str, namespace: str, name: str) -> Json:
        """The object of that name, by no right but that to list its kind. Raises as `get` does."""
        at = path(api, resource, namespace)
        page = await self.get(at, **named(name))
        if not page["items"]:
            raise NotFound(f"there is no {resource} {namespace}/{name}")
        found: Json = page["items"][0]
        return found

    async def send(
        self,
        method: str,
        at: At,
        *,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
        query: Mapping[str, str] | None = None,
    ) -> Json:
        """Send a request and return the answer's JSON. Raises KubeError or KubeUnavailable."""
        _, answer = await self.exchange(method, at, body=body, content_type=content_type, accept=accept, query=query)
        return answer

    async def exchange(
        self,
        method: str,
        at: At,
        *,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
        query: Mapping[str, str] | None = None,
    ) -> tuple[int, Json]:
        """Like `send`, with the status code: 201 tells that an apply created its object."""
        return await self.deliver(Message(method, at, body, content_type, accept, query or {}))

    async def deliver(self, message: Message, gate: Gate | None = None) -> tuple[int, Json]:
        """The status code and the answer. Raises KubeError, KubeUnavailable, and what `gate` raises.

        The gate is passed at the last moment, when there is a connection to send over.
        """
        try:
            return await self._once(message, gate)
        except Unauthorized:
            await self._log_in_again()
            return await self._once(message, gate)

    async def _once(self, message: Message, gate: Gate | None) -> tuple[int, Json]:
        if message.method == "GET" or message.at.resource == _HEARTBEATS:
            return await self._asked(message, gate)
        with tracing.span(f"{message.method} {message.at.resource}") as span:
            code, answer = await self._asked(message, gate)
            span.says(code=code)
            return code, answer

    async def _asked(self, message: Message, gate: Gate | None) -> tuple[int, Json]:
        try:
            async with (
                self._connection(message),
                asyncio.timeout(self.timeout),
                self._response(message, gate) as response,
            ):
                text = await response.read()
                code = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as broken:
            metrics.KUBE_REQUESTS.labels(message.method, message.at.resource, "none").inc()
            raise KubeUnavailable(f"the API server does not answer {message}: {type(broken).__name__}") from broken
        metrics.KUBE_REQUESTS.labels(message.method, message.at.resource, str(code)).inc()
        if code >= HTTPStatus.BAD_REQUEST:
            raise error_for(code, _parsed(text) or {}, str(message))
        if (answer := _parsed(text)) is None:  # a proxy in between, perhaps
            raise KubeUnavailable(f"what answers {message} is no API server: its answer is no JSON object")
        return code, answer

    @asynccontextmanager
    async def _connection(self, message: Message) -> AsyncIterator[None]:
        """Wait for a connection that is free, and hold it. That wait does not count as the API server's."""
        patience = _PATIENCE * self.timeout
        try:
            async with asyncio.timeout(patience):
                await self._slots.acquire()
        except TimeoutError:
            raise KubeUnavailable(
                f"{message} was not sent: the API server is so slow that no connection became free in {patience:g} s"
            ) from None
        try:
            yield
        finally:
            self._slots.release()

    @asynccontextmanager
    async def _response(
        self, message: Message, gate: Gate | None = None, *, silence: float | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        settings = await self.config.auth_settings()
        headers = {"Accept": message.accept, "Content-Type": message.content_type, "User-Agent": "keyferry"}
        if token := settings.get("BearerToken", {}).get("value"):
            headers["authorization"] = token
        url = f"{self.config.host}{message.at.url}" + (f"?{urlencode(message.query)}" if message.query else "")
        limits = aiohttp.ClientTimeout(total=None, sock_read=silence)  # of the whole the caller holds the limit
        if gate:
            gate(str(message))
        answer = await self._api.rest_client.request(
            message.method, url, headers=headers, body=message.body, _request_timeout=limits
        )
        try:
            yield answer.response
        finally:
            answer.response.release()

    async def _log_in_again(self) -> None:
        fresh = await configuration()
        self.config.api_key = fresh.api_key
        self.config.refresh_api_key_hook = fresh.refresh_api_key_hook

    async def watch(
        self, at: At, resource_version: str, *, accept: str, seconds: int, silence: float, **query: str
    ) -> AsyncIterator[Json]:
        """Events as they come, for at most so many seconds. Raises Gone when the version is too old, or KubeError.

        After so many seconds of silence, in which not even a bookmark came, nobody is there any more: KubeUnavailable.
        """
        query = {
            "watch": "1",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
            **query,
        }
        try:
            async with (
                asyncio.timeout(seconds + self.timeout),
                self._response(Message("GET", at, None, JSON, accept, query), silence=silence) as response,
            ):
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise error_for(response.status, await response.json(content_type=None), f"WATCH {at.what}")
                async for line in response.content:
                    event = orjson.loads(line)
                    if event["type"] == "ERROR":
                        raise error_for(int(event["object"].get("code", 500)), event["object"], f"WATCH {at.what}")
                    yield event
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as broken:
            raise KubeUnavailable(f"the watch of {at.what} broke: {type(broken).__name__}") from broken


def _parsed(text: bytes) -> Json | None:
    """The JSON object of an answer; None where it is none."""
    try:
        answer = orjson.loads(text)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


async def connect(*, timeout: float = 30.0, connections: int = 32, watches: int = 1) -> Kube:
    """A connection that is not open yet; its context opens and closes it. `timeout`: seconds, of one request."""
    return Kube(await configuration(), timeout, connections, watches)
