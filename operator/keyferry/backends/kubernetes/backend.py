"""The backend: one list is the catalogue, a watch says when to look, a value is one call or a part of a list."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Collection, Mapping
from contextlib import aclosing
from typing import TypeVar

from keyferry.api.providers.kubernetes import Kubernetes
from keyferry.backends.base import Access, Context, Heard
from keyferry.backends.kubernetes.answers import (
    checked_labels,
    checked_scope,
    content,
    entry,
    name_of,
    possible,
    selector,
    value,
)
from keyferry.backends.kubernetes.connection import Connection, connect
from keyferry.backends.kubernetes.errors import CallDenied, NotThere, Taken
from keyferry.backends.kubernetes.reading import Bunches
from keyferry.backends.turns import AtFirstUse
from keyferry.errors import SecretMissing, SpecInvalid, SyncError, bare, bared
from keyferry.values import Entry, Fetched, Ref, Scope, Value

T = TypeVar("T")

NOBODY = "keyferry-there-is-no-such-secret"  # behind the store's prefix
_LISTED_WITH_ONE_CALL = 500
_READ_WITH_ONE_CALL = 50
_MANY = 20  # of fewer each is read for itself


class KubernetesBackend:
    """Reads and writes Secrets of a namespace. Connects when it is first used; failing that, anew at every use."""

    batch = 1  # by name; `reading` reads many at once where that is cheaper, which no caller need know
    tagged = True

    def __init__(self, spec: Kubernetes, context: Context) -> None:
        self._spec = spec
        self._context = context
        self._connection = AtFirstUse(self._connect, lambda connection: connection.client.close())
        self._bunches = Bunches(self._read)
        self._known = 0  # entries that the last sweep found

    def __repr__(self) -> str:
        return f"KubernetesBackend({self._context.store})"

    async def check(self) -> Access:
        """Log in and find out what is allowed, in three calls, one of them for a Secret that is not there."""
        return await self._connection.checked(self._check())

    async def fetch(self, refs: Collection[Ref]) -> Mapping[Ref, Fetched]:
        """Answer for every ref. An expected failure is an answer."""
        wanted = list(dict.fromkeys(refs))
        answers: dict[Ref, Fetched] = {
            ref: SecretMissing(f"no Secret of Kubernetes can be named {ref.id!r}") for ref in wanted
        }
        askable = {ref.id: None for ref in wanted if possible(ref.id)}
        if not askable:
            return answers
        read = await self._bunches.of(askable)
        return answers | {ref: _at_version(read[ref.id], ref) for ref in wanted if ref.id in read}

    async def entries(self, scope: Scope) -> AsyncIterator[Entry]:
        """Every entry of the scope, in calls of 500, without a value. Raises SyncError."""
        chosen, known = selector(scope), 0
        if chosen is None:
            return
        connection = await bared(self._connection.get())
        async with aclosing(_bared(connection.all_metadata(chosen))) as listed:
            async for metadata in listed:
                known += 1
                if str(metadata.get("name")).startswith(scope.name_prefix):
                    yield entry(metadata)
        if scope == self._context.scope:
            self._known = known

    def sweep_calls(self, entries: int) -> int:
        return max(1, -(-entries // _LISTED_WITH_ONE_CALL))

    async def hints(self) -> AsyncGenerator[Heard, None]:
        """A watch of the namespace's Secrets, as metadata. Raises SyncError when it breaks."""
        scope = self._context.scope
        connection = await bared(self._connection.get())
        async with aclosing(_bared(connection.changes(selector(scope) or ""))) as changes:
            async for name in changes:
                matters = name is not None and (not name or name.startswith(scope.name_prefix))
                yield Heard.CHANGE if matters else Heard.NOTHING

    async def put(self, name: str, data: bytes, tags: Mapping[str, str]) -> str:
        """Write the Secret, whose value is a JSON object, with just these labels; its new version. Raises SyncError."""
        return await bared(self._put(name, content(data, name), checked_labels(tags)))

    async def delete(self, name: str) -> None:
        """Delete the Secret. Raises SecretMissing where there is none."""
        await bared(self._delete(name))

    async def aclose(self) -> None:
        """Let go of connections, without waiting for calls that are under way."""
        await self._connection.end()

    async def _connect(self) -> Connection:
        checked_scope(self._context.scope)
        return await connect(self._spec, self._context)

    async def _check(self) -> Access:
        connection = await self._connection.get()
        listing = await _granted(connection.newest())
        nobody = f"{self._context.scope.name_prefix}{NOBODY}"
        reading = await _granted(connection.one(nobody))
        lacking = []
        where = f"secrets in namespace {connection.namespace}"
        if not listing:
            lacking.append(f"list on {where}: {_NO_LISTING}")
        if not reading:
            lacking.append(f"get on {where}: {_NO_READING.format(nobody=nobody)}")
        if await _watching(connection) is False:
            lacking.append(f"watch on {where}: {_NO_WATCHING}")
        return Access(listing, None, tuple(lacking))

    async def _read(self, names: Collection[str]) -> Mapping[str, Fetched]:
        try:
            connection = await self._connection.get()
        except SyncError as e:
            return dict.fromkeys(names, bare(e))
        chosen = selector(self._context.scope)
        calls = -(-self._known // _READ_WITH_ONE_CALL)
        if chosen is not None and self._known and len(names) >= max(_MANY, 2 * calls):
            return await _listed(connection, chosen, names)
        async with asyncio.TaskGroup() as group:
            reads = {name: group.create_task(_one(connection, name)) for name in names}
        return {name: read.result() for name, read in reads.items()}

    async def _put(self, name: str, data: dict[str, str], labels: dict[str, str]) -> str:
        connection = await self._writable(name)
        try:
            before = await connection.metadata(name)
        except NotThere:
            return await connection.create(name, data, labels)
        return await connection.replace(name, data, labels, version=str(before.get("resourceVersion")))

    async def _delete(self, name: str) -> None:
        await (await self._writable(name)).delete(name)

    async def _writable(self, name: str) -> Connection:
        if not possible(name):
            raise SpecInvalid(
                f"no Secret of Kubernetes can be named {name!r}: lower-case letters, digits, - and . only. By Tags "
                "name it with kubectl, and label it; then it can be written to"
            )
        return await self._connection.get()


_NO_LISTING = (
    "without it mapping by Tags, find, the list of what the store offers and being told of changes do not work; by "
    "Names nothing else is lost"
)
_NO_READING = (
    "it could only be tried on a Secret that does not exist ({nobody}); whether the store's Secrets may be read shows "
    "when they are"
)
_NO_WATCHING = "without it a change arrives at the refreshInterval, and not at once"


def _at_version(answer: Fetched, ref: Ref) -> Fetched:
    if isinstance(answer, Value) and ref.version not in ("", answer.version):
        return SecretMissing(
            f"Secret {ref.id} has no version {ref.version}, or not any more: Kubernetes keeps the current one only"
        )
    return answer


async def _one(connection: Connection, name: str) -> Fetched:
    try:
        return value(await connection.one(name), f"Secret {connection.namespace}/{name}")
    except SyncError as e:
        return bare(e)


async def _listed(connection: Connection, chosen: str, names: Collection[str]) -> Mapping[str, Fetched]:
    """What was asked for out of a list of all; what else is in it is dropped at once."""
    wanted = set(names)
    answers: dict[str, Fetched] = {
        name: SecretMissing(f"there is no Secret {connection.namespace}/{name}") for name in names
    }
    try:
        async with aclosing(connection.all_whole(chosen)) as listed:
            async for secret in listed:
                name = name_of(secret)
                if name in wanted:
                    answers[name] = value(secret, f"Secret {connection.namespace}/{name}")
    except SyncError as e:
        return dict.fromkeys(names, bare(e))
    return answers


async def _watching(connection: Connection) -> bool | None:
    """Whether a watch is permitted; None where nobody tells. Raises what makes the store unusable."""
    try:
        return await connection.may("watch")
    except (CallDenied, NotThere, Taken):
        return None


async def _granted(call: Awaitable[object]) -> bool:
    try:
        await call
    except CallDenied:
        return False
    except NotThere:
        return True
    return True


async def _bared(steps: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The same, with errors that are bare."""
    async with aclosing(steps):
        while True:
            try:
                step = await bared(anext(steps))
            except StopAsyncIteration:
                return
            yield step
