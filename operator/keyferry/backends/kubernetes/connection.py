"""A store's way to one namespace of an API server: every call as its login, within its budget."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import aiohttp

from keyferry.api.providers.kubernetes import Kubernetes
from keyferry.backends.base import Context
from keyferry.backends.calling import apart
from keyferry.backends.kubernetes.errors import About, TokenRefused, TooOld, refused
from keyferry.backends.kubernetes.http import Client, Json, Request, lines, trusting
from keyferry.backends.kubernetes.login import Login, way_of
from keyferry.backends.route import route_of
from keyferry.errors import BackendUnavailable, SpecInvalid
from keyferry.kube.client import METADATA, METADATA_LIST, path

_METADATA_PAGE, _VALUES_PAGE = 500, 50
_WATCH_SECONDS = 290
_HASTY_SECONDS = 1.0  # a watch that ends so soon is not followed by another at once
_JSON_PATCH = "application/json-patch+json"
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True, slots=True)
class Connection:
    """Asks about the Secrets of one namespace. A login that is refused is replaced, once, where that can be."""

    context: Context
    client: Client
    login: Login
    namespace: str

    async def one(self, name: str) -> Json:
        """A Secret, with what it holds. Raises SyncError."""
        about = self._about("GetSecret", "get", self._named(name))
        return await self._ask(about, Request(self._path(name)))

    async def metadata(self, name: str) -> Json:
        """A Secret's metadata. Raises SyncError."""
        about = self._about("GetSecretMetadata", "get", self._named(name))
        answer = await self._ask(about, Request(self._path(name), accept=METADATA))
        return _metadata(answer)

    async def all_metadata(self, selector: str) -> AsyncGenerator[Json, None]:
        """The metadata of all Secrets that the selector selects, in calls of 500. Raises SyncError."""
        async with aclosing(self._pages("ListSecretMetadata", METADATA_LIST, _METADATA_PAGE, selector)) as pages:
            async for page in pages:
                for item in _items(page):
                    yield _metadata(item)

    async def all_whole(self, selector: str) -> AsyncGenerator[Json, None]:
        """All Secrets that the selector selects, with what they hold, in calls of 50. Raises SyncError."""
        async with aclosing(self._pages("ListSecrets", "application/json", _VALUES_PAGE, selector)) as pages:
            async for page in pages:
                for item in _items(page):
                    yield item

    async def newest(self) -> str:
        """Up to where the API server can tell what has happened. Raises SyncError."""
        about = self._about("ListSecretMetadata", "list")
        answer = await self._ask(about, Request(self._path(), query={"limit": "1"}, accept=METADATA_LIST))
        return str(_metadata(answer).get("resourceVersion"))

    async def may(self, verb: str) -> bool | None:
        """Whether the login may do this with Secrets of the namespace; None where nobody tells. Raises SyncError."""
        wanted = {"namespace": self.namespace, "verb": verb, "version": "v1", "resource": "secrets"}
        about = self._about("ReviewAccess", "create", "selfsubjectaccessreviews")
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        request = Request(_REVIEWS, "POST", body={**body, "spec": {"resourceAttributes": wanted}})
        status = (await self._ask(about, request)).get("status")
        allowed = status.get("allowed") if isinstance(status, dict) else None
        return allowed if isinstance(allowed, bool) else None

    async def create(self, name: str, data: dict[str, str], labels: dict[str, str]) -> str:
        """Make a Secret; its version. Raises SyncError."""
        about = self._about("CreateSecret", "create", self._named(name))
        body = {"metadata": {"name": name, "labels": labels}, "type": "Opaque", "data": data}
        return _version(await self._ask(about, Request(self._path(), "POST", accept=METADATA, body=body)))

    async def replace(self, name: str, data: dict[str, str], labels: dict[str, str], *, version: str) -> str:
        """Give a Secret other content and labels, unless others wrote it meanwhile; its version. Raises SyncError."""
        about = self._about("PatchSecret", "patch", self._named(name))
        body = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": version},  # a conflict where it is another
            {"op": "add", "path": "/metadata/labels", "value": labels},
            {"op": "add", "path": "/data", "value": data},
        ]
        request = Request(self._path(name), "PATCH", accept=METADATA, body=body, content_type=_JSON_PATCH)
        return _version(await self._ask(about, request))

    async def delete(self, name: str) -> None:
        """Delete a Secret. Raises NotThere, or another SyncError."""
        about = self._about("DeleteSecret", "delete", self._named(name))
        await self._ask(about, Request(self._path(name), "DELETE", accept=METADATA))

    async def changes(self, selector: str) -> AsyncGenerator[str | None, None]:
        """The name of each Secret that changes from now on; None at the beginning, and when nothing has changed.

        An empty name: something was missed. Raises SyncError when it breaks.
        """
        version, missed = await self.newest(), False
        about = self._about("WatchSecrets", "watch")
        while True:
            began = asyncio.get_running_loop().time()
            try:
                async with lines(await self._watch(about, selector, version), about) as events:
                    yield "" if missed else None
                    missed = False
                    async for event in events:
                        metadata = _told(event, about)
                        version = str(metadata.get("resourceVersion"))
                        yield None if event.get("type") == "BOOKMARK" else str(metadata.get("name"))
            except TooOld:
                version, missed = await self.newest(), True
            if asyncio.get_running_loop().time() - began < _HASTY_SECONDS:
                raise BackendUnavailable(f"{self.client.host} ends its watch of secrets as soon as it begins")

    async def _watch(self, about: About, selector: str, version: str) -> aiohttp.ClientResponse:
        query = {"watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true"}
        query |= {"timeoutSeconds": str(_WATCH_SECONDS), "labelSelector": selector}
        return await self._listen(about, Request(self._path(), query=query, accept=METADATA))

    async def _listen(self, about: About, request: Request) -> aiohttp.ClientResponse:
        """Beside the budget: nobody who reads waits for it."""
        within = self.context.timeout

        async def opened(token: str | None) -> aiohttp.ClientResponse:
            return await self.context.call.beside(
                about.operation, lambda: self.client.listen(about, token, request), within=within
            )

        token = await self.login.token()
        try:
            return await opened(token)
        except TokenRefused:
            other = await self.login.instead_of(token)
            if other is None:
                raise
        return await opened(other)

    async def _ask(self, about: About, request: Request) -> Json:
        token = await self.login.token()
        try:
            return await self.context.call(about.operation, lambda: self.client.ask(about, token, request))
        except TokenRefused:
            other = await self.login.instead_of(token)
            if other is None:
                raise
        return await self.context.call(about.operation, lambda: self.client.ask(about, other, request))

    async def _pages(self, operation: str, accept: str, limit: int, selector: str) -> AsyncGenerator[Json, None]:
        about, query = self._about(operation, "list"), {"limit": str(limit), "labelSelector": selector}
        while True:
            page = await self._ask(about, Request(self._path(), query=query, accept=accept))
            yield page
            more = _metadata(page).get("continue")
            if not more:
                return
            query = {**query, "continue": str(more)}

    def _about(self, operation: str, verb: str, what: str = "") -> About:
        what = what or f"secrets in namespace {self.namespace}"
        return About(operation, verb, what, self.login.name, self.client.host, self.login.doubt)

    def _named(self, name: str) -> str:
        return f"Secret {self.namespace}/{name}"

    def _path(self, name: str = "") -> str:
        return path("v1", "secrets", self.namespace, name).url


async def connect(spec: Kubernetes, context: Context) -> Connection:
    """Check the spec, read what logs in, make the client. Nobody is asked yet. Raises SyncError."""
    way = await way_of(spec, context)
    if way.own and context.proxy:
        raise SpecInvalid(
            "spec.proxy: this cluster's own API server is asked directly: leave proxy out, or name another server"
        )
    route = None if way.own else await route_of(context)
    trust = await apart(
        f"tls {context.store}",
        lambda: trusting(way.server.authority, way.certificate, way.key, way.login.name),
    )
    client = Client(way.server.url, trust, timeout=context.timeout, connections=context.concurrency, route=route)
    return Connection(context, client, way.login, spec.remote_namespace)


def _metadata(answer: dict[str, Any]) -> Json:
    found = answer.get("metadata")
    if not isinstance(found, dict):
        raise BackendUnavailable("what answers is no API server: an object without metadata")
    return found


def _told(event: Json, about: About) -> Json:
    """The metadata that an event of a watch is about. Raises SyncError where it is an error."""
    found = event.get("object")
    if event.get("type") == "ERROR" and isinstance(found, dict):
        code = found.get("code")
        raise refused(code if isinstance(code, int) else 500, about)
    return _metadata(found if isinstance(found, dict) else {})


def _items(page: Json) -> list[Json]:
    items = page.get("items") or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BackendUnavailable("what answers is no API server: a list without items")
    return items


def _version(answer: Json) -> str:
    return str(_metadata(answer).get("resourceVersion"))
