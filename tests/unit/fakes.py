"""Stand-ins at the two seams of the engine: a backend in memory, and an API server in memory."""

import asyncio
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from keyferry.api.kinds import KINDS
from keyferry.backends.base import Access
from keyferry.errors import SecretMissing, SyncError
from keyferry.kube.client import APPLY, METADATA, METADATA_LIST, At, Gate, Json, Kube, Message
from keyferry.kube.errors import error_for
from keyferry.values import Entry, Fetched, Ref, Scope, Value
from tests.unit.discovery import discovered
from tests.unit.serverside import Conflicted, Refused, applied, owned_by_hand
from tests.unit.sync.sources import FakeSource

Call = Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]


async def at_once(_: str, call: Callable[[], Awaitable[Any]]) -> Any:
    """A budget without limits."""
    return await call()


@dataclass
class Kept:
    """A secret with its history; the last version is the current one."""

    id: str
    tags: Mapping[str, str]
    versions: dict[str, bytes] = field(default_factory=dict, repr=False)


@dataclass
class PlainBackend:
    """A backend in memory that only reads values. `down` befalls every call, `spoiled` single ids."""

    batch: int = 20
    call: Call = at_once
    access: Access = field(default_factory=Access)
    secrets: dict[str, Kept] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    reads: list[frozenset[Ref]] = field(default_factory=list)
    down: SyncError | None = None
    spoiled: dict[str, SyncError] = field(default_factory=dict)
    gate: asyncio.Event | None = None  # calls wait for it
    takes: float = 0.0  # seconds, each call
    closing: float = 0.0  # seconds that it takes a session to be closed
    closed: bool = False
    _counter: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def put(self, name: str, data: bytes, tags: Mapping[str, str] | None = None, *, id_: str = "") -> str:
        """Give the secret a new version; returns it."""
        old = self.secrets.get(name)
        kept = Kept(id_ or (old.id if old else f"id:{name}"), tags if tags is not None else (old.tags if old else {}))
        version = f"v{next(self._counter)}"
        kept.versions = {**(old.versions if old else {}), version: data}
        self.secrets[name] = kept
        return version

    async def check(self) -> Access:
        await self._ask("check")
        return self.access

    async def fetch(self, refs: Collection[Ref]) -> Mapping[Ref, Fetched]:
        self.reads.append(frozenset(refs))
        try:
            await self._ask("fetch")
        except SyncError as failure:
            return dict.fromkeys(refs, failure)
        return {ref: self._one(ref) for ref in refs}

    async def aclose(self) -> None:
        self.closed = True

    async def _ask(self, operation: str) -> None:
        async def answer() -> None:
            self.calls[operation] += 1
            await asyncio.sleep(self.takes)
            if self.gate:
                await self.gate.wait()
            if self.down:
                raise self.down

        await self.call(operation, answer)

    def _one(self, ref: Ref) -> Fetched:
        found = self.secrets.get(ref.id) or next((kept for kept in self.secrets.values() if kept.id == ref.id), None)
        if failure := self.spoiled.get(ref.id):
            return failure
        if not found or not found.versions or (ref.version and ref.version not in found.versions):
            return SecretMissing(f"the backend has no secret {ref.id!r}")
        version = ref.version or list(found.versions)[-1]
        return Value(found.versions[version], version)


@dataclass
class FakeBackend(PlainBackend):
    """The same with a catalogue, which tells only the current version. It answers with more than was asked for.

    `hidden` is what it does not tell of yet, `lost` the pages that fail, by number.
    """

    page: int = 100
    hidden: set[str] = field(default_factory=set)
    lost: dict[int, SyncError] = field(default_factory=dict)
    source: FakeSource | None = None  # of hints
    blind: bool = False  # whether the catalogue tells no versions at all
    mints: bool = False  # whether a read may make something new

    async def entries(self, scope: Scope) -> AsyncIterator[Entry]:  # noqa: ARG002 - a backend may leave filtering out
        number, full = 0, True
        while full:
            page, full = await self.page_of(number)
            number += 1
            for entry in page:
                yield entry

    def sweep_calls(self, entries: int) -> int:
        return math.ceil(entries / self.page)

    async def page_of(self, number: int) -> tuple[list[Entry], bool]:
        """A page of the catalogue, and whether another follows."""
        await self._ask("list")
        if failure := self.lost.get(number):
            raise failure
        names = sorted(self.secrets.keys() - self.hidden)
        here = [(name, self.secrets[name]) for name in names[number * self.page : (number + 1) * self.page]]
        entries = [
            Entry(kept.id, name, {"": list(kept.versions)[-1]} if kept.versions else {}, kept.tags)
            for name, kept in here
        ]
        if self.blind:
            entries = [replace(entry, versions={"": ""}) for entry in entries]
        return entries, len(names) > (number + 1) * self.page


@dataclass(frozen=True)
class Request:
    """What was asked of the API server."""

    method: str
    resource: str  # with the subresource: externalsecrets/status
    namespace: str
    name: str
    body: Any = field(default=None, repr=False)
    query: Mapping[str, str] = field(default_factory=dict)


_URL = re.compile(
    r"/apis?/(?P<api>v1|[^/]+/[^/]+)(/namespaces/(?P<ns>[^/]+)(?=/))?/(?P<res>[^/]+)(/(?P<name>[^/]+)(/(?P<sub>.+))?)?"
)


class FakeKube(Kube):
    """An API server in memory: versions, server-side apply, merge patches, preconditions, lists in pages, watches.

    `before` and `after` are called with every request, and may raise: then it was not heard, or its answer was lost.
    """

    def __init__(self) -> None:
        self.takes = 0.0  # seconds, each request, one after another
        self._one_by_one = asyncio.Lock()
        super().__init__(config=None, timeout=30.0, connections=1)
        self.objects: dict[tuple[str, str, str], Json] = {}
        self.managed: dict[tuple[str, str, str], dict[str, set[tuple[str, ...]]]] = {}
        self.requests: list[Request] = []
        self.history: list[tuple[str, Json]] = []  # (resource, event)
        self.before: Callable[[Request], None] = lambda _: None
        self.after: Callable[[Request], None] = lambda _: None
        self.page = 500
        self._version = 10
        self.news = asyncio.Event()  # set once, when something happens next
        self.crds = {kind.plural: kind.kind for kind in KINDS}  # those that are there
        self.schemas: dict[str, Json] = {}  # theirs, as far as OpenAPI tells them

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    @property
    def writes(self) -> list[Request]:
        """Every request that could change something, but for events and Leases."""
        return [each for each in self.requests if each.method != "GET" and each.resource not in ("events", "leases")]

    @property
    def version(self) -> str:
        """The newest resourceVersion."""
        return str(self._version)

    def put(self, resource: str, name: str, namespace: str = "", **parts: Any) -> Json:
        """Create or edit an object as a person would, by hand. Who edits a field owns it from then on."""
        where = (resource, namespace, name)
        old = self.objects.get(where)
        metadata = {**(old["metadata"] if old else self._fresh(name, namespace)), **parts.pop("metadata", {})}
        made = {**(old or {}), **parts, "metadata": metadata}
        if old and "spec" in parts and old.get("spec") != parts["spec"]:
            metadata["generation"] = old["metadata"]["generation"] + 1
        owned_by_hand(old or {}, made, self.managed.setdefault(where, {}))
        self._store(where, made, "MODIFIED" if old else "ADDED")
        return made

    def remove(self, resource: str, name: str, namespace: str = "") -> None:
        """Delete an object as a person would."""
        where = (resource, namespace, name)
        gone = self.objects.pop(where)
        self.managed.pop(where, None)
        self._version += 1
        self._tell(resource, "DELETED", {**gone, "metadata": {**gone["metadata"], "resourceVersion": self.version}})

    async def deliver(self, message: Message, gate: Gate | None = None) -> tuple[int, Json]:
        if self.takes:
            async with self._one_by_one:
                await asyncio.sleep(self.takes)
        if gate:
            gate(str(message))
        if message.at.resource in ("discovery", "openapi"):
            return 200, discovered(message.at.url, self.crds, self.schemas)
        found = _URL.fullmatch(message.at.url)
        assert found, message.at.url
        resource = "/".join(filter(None, (found["res"], found["sub"])))
        where = found["ns"] or "", found["name"] or ""
        request = Request(message.method, resource, *where, message.body, message.query)
        self.requests.append(request)
        await asyncio.sleep(0)
        self.before(request)
        code, answer = self._answered(request, message.content_type)
        self.after(request)
        answer = json.loads(json.dumps(answer))
        return code, _as_metadata(answer) if message.accept in (METADATA, METADATA_LIST) else answer

    def _answered(self, request: Request, content_type: str) -> tuple[int, Json]:
        where = (request.resource.partition("/")[0], request.namespace, request.name)
        if request.method == "GET" and not request.name:
            return 200, self._listed(request)
        if request.method == "POST":
            return 201, self._posted(request)
        if request.method == "PATCH" and content_type == APPLY:
            return self._applied(where, request)
        if where not in self.objects:
            raise error_for(404, {"reason": "NotFound"}, str(request))
        if request.method == "PATCH":
            return 200, self._merged(where, request)
        if request.method == "DELETE":
            expected = (request.body or {}).get("preconditions") or {}
            self._same(where, expected.get("uid"))
            self._at_version(where, expected.get("resourceVersion"))
            self.remove(*where[::2], where[1])
        return 200, self.objects.get(where, {})

    def _listed(self, request: Request) -> Json:
        resource, namespace = request.resource, request.namespace
        found = [self.objects[key] for key in sorted(self.objects) if key[0] == resource and namespace in ("", key[1])]
        if selected := request.query.get("fieldSelector"):
            found = [each for each in found if f"metadata.name={each['metadata']['name']}" == selected]
        start = int(request.query.get("continue") or 0)
        end = start + min(self.page, int(request.query["limit"])) if "limit" in request.query else len(found)
        metadata = {"resourceVersion": self.version, **({"continue": str(end)} if end < len(found) else {})}
        return {"metadata": metadata, "items": found[start:end]}

    def _posted(self, request: Request) -> Json:
        if request.resource.endswith("/token"):
            return {"status": {"token": "t", "expirationTimestamp": "2100-01-01T00:00:00Z"}}
        if request.resource == "leases":
            where = (request.resource, request.namespace, request.body["metadata"]["name"])
            if where in self.objects:
                raise error_for(409, {"reason": "AlreadyExists"}, f"{where}")
            metadata = {**self._fresh(where[2], where[1]), **request.body["metadata"]}
            self._store(where, {**request.body, "metadata": metadata}, "ADDED")
            return self.objects[where]
        return dict(request.body)

    def _applied(self, where: tuple[str, str, str], request: Request) -> tuple[int, Json]:
        live, uid = self.objects.get(where), request.body["metadata"].get("uid")
        if uid and live is None:
            raise error_for(409, {"reason": "Conflict"}, f"{where}: no such uid")
        if uid and live and live["metadata"]["uid"] != uid:
            raise _invalid("metadata.uid", uid)
        owners = self.managed.setdefault(where, {})
        force, before = request.query["force"] == "true", {name: set(fields) for name, fields in owners.items()}
        try:
            made = applied(live, request.body, owners, request.query["fieldManager"], force=force)
        except Conflicted as taken:
            raise _conflict(taken, str(where)) from None
        except Refused as refused:
            raise _invalid(str(refused), request.body) from None
        if live is None:
            made["metadata"] = {**self._fresh(where[2], where[1]), **made["metadata"]}
            self._store(where, made, "ADDED")
        elif made != live or owners != before:
            self._store(where, made, "MODIFIED")
        return 200 if live else 201, self.objects[where]

    def _merged(self, where: tuple[str, str, str], request: Request) -> Json:
        live, patch = self.objects[where], request.body
        # As the real one: a uid in the patch of a status is ignored, a resourceVersion is a precondition.
        self._at_version(where, (patch.get("metadata") or {}).get("resourceVersion"))
        made = _merge(live, {part: value for part, value in patch.items() if part != "metadata"})
        if made != live:
            self._store(where, made, "MODIFIED")
        return self.objects[where]

    def _same(self, where: tuple[str, str, str], uid: str | None) -> None:
        live = self.objects.get(where)
        if uid and (live is None or live["metadata"]["uid"] != uid):
            raise error_for(409, {"reason": "Conflict"}, f"{where}: another uid")

    def _at_version(self, where: tuple[str, str, str], version: str | None) -> None:
        if version not in (None, self.objects[where]["metadata"]["resourceVersion"]):
            raise error_for(409, {"reason": "Conflict"}, f"{where}: another version")

    def _fresh(self, name: str, namespace: str) -> Json:
        metadata: Json = {"name": name, "uid": f"uid-{self._version}-{name}", "generation": 1}
        return {**metadata, "namespace": namespace} if namespace else metadata

    def _store(self, where: tuple[str, str, str], made: Json, type_: str) -> None:
        self._version += 1
        managers = [{"manager": name} for name, fields in self.managed.get(where, {}).items() if fields]
        metadata = {**made["metadata"], "resourceVersion": self.version, "managedFields": managers}
        made = json.loads(json.dumps({**made, "metadata": metadata}))
        self.objects[where] = made
        self._tell(where[0], type_, made)

    def _tell(self, resource: str, type_: str, made: Json) -> None:
        self.history.append((resource, {"type": type_, "object": json.loads(json.dumps(made))}))
        news, self.news = self.news, asyncio.Event()
        news.set()

    async def watch(
        self,
        at: At,
        resource_version: str,
        *,
        accept: str,
        seconds: int,
        silence: float,  # noqa: ARG002 - it never is
        **query: str,
    ) -> AsyncIterator[Json]:
        """Everything that happened since, then what happens, until the time is over."""
        end = asyncio.get_running_loop().time() + seconds
        told = 0
        while True:
            for resource, event in self.history[told:]:
                told += 1
                metadata = event["object"]["metadata"]
                here = f"/namespaces/{metadata.get('namespace')}/" in at.url or "/namespaces/" not in at.url
                here &= query.get("fieldSelector") in (None, f"metadata.name={metadata['name']}")
                if resource == at.resource and here and int(metadata["resourceVersion"]) > int(resource_version):
                    yield _as_metadata(event) if accept == METADATA else event
            try:
                async with asyncio.timeout_at(end):
                    await self.news.wait()
            except TimeoutError:
                return


def _conflict(taken: Conflicted, what: str) -> SyncError:
    causes = [
        {"field": f".{'.'.join(path)}", "reason": "FieldManagerConflict", "message": f'conflict with "{manager}"'}
        for manager, path in taken.conflicts
    ]
    return error_for(409, {"reason": "Conflict", "details": {"causes": causes}}, what)


def _invalid(field_: str, value: Any) -> SyncError:
    """As the API server says it: quoting what was sent."""
    cause = {"field": field_, "reason": "FieldValueInvalid", "message": f"Invalid value: {value}"}
    return error_for(422, {"reason": "Invalid", "message": str(value), "details": {"causes": [cause]}}, "PATCH secrets")


def _merge(live: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(live) if isinstance(live, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), value)
    return merged


def _as_metadata(answer: Json) -> Json:
    """Without spec, status and data, as a PartialObjectMetadata is."""
    if "items" in answer:
        return {**answer, "items": [_as_metadata(each) for each in answer["items"]]}
    if "object" in answer:
        return {**answer, "object": _as_metadata(answer["object"])}
    return {"metadata": answer.get("metadata", {})}
