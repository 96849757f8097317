"""The backend: one call for a folder, whether its catalogue or its values are read."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from typing import TypeVar

from keyferry.api.providers.infisical import Infisical
from keyferry.backends.base import Access, Context
from keyferry.backends.infisical import writing
from keyferry.backends.infisical.answers import HIDDEN, Secret
from keyferry.backends.infisical.connection import connect
from keyferry.backends.infisical.errors import CallDenied, NotThere, What
from keyferry.backends.infisical.folders import common, of_prefix, possible
from keyferry.backends.infisical.reading import Reader
from keyferry.backends.turns import AtFirstUse
from keyferry.errors import PermissionDenied, SecretMissing, SpecInvalid, SyncError, bare, bared
from keyferry.values import Entry, Fetched, Ref, Scope

T = TypeVar("T")

_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_WHOLE_FOLDER = 10_000  # refs: a list has no pages
_TOLD = 3  # secrets that a message names


class InfisicalBackend:
    """Reads and writes a folder. Connects when it is first used; a failure to connect is tried anew at every use."""

    tagged = True

    def __init__(self, spec: Infisical, context: Context) -> None:
        self.batch = _WHOLE_FOLDER  # 1 while a folder may not be listed with its values
        self._spec = spec
        self._context = context
        self._reader = AtFirstUse(self._connect, lambda reader: reader.connection.aclose())

    def __repr__(self) -> str:
        return f"InfisicalBackend({self._context.store})"

    async def check(self) -> Access:
        """Log in and find out what is allowed, by two lists: of what may be described, and of what may be read."""
        return await self._reader.checked(self._check())

    async def fetch(self, refs: Collection[Ref]) -> Mapping[Ref, Fetched]:
        """Answer for every ref: current ones by one list of their common folder, others each by a call of its own."""
        wanted = list(dict.fromkeys(refs))
        askable = [ref for ref in wanted if possible(ref.id)]
        answers: dict[Ref, Fetched] = {
            ref: SecretMissing(f"no secret of Infisical can be named {ref.id!r}") for ref in wanted
        }
        if not askable:
            return answers
        try:
            reader = await self._reader.get()
        except SyncError as e:
            return answers | {ref: bare(e) for ref in askable}
        current = [ref for ref in askable if not ref.version]
        async with asyncio.TaskGroup() as group:
            listed = group.create_task(self._current(reader, current))
            pinned = {ref: group.create_task(_answer(_single(reader, ref))) for ref in askable if ref.version}
        return answers | listed.result() | {ref: read.result() for ref, read in pinned.items()}

    async def entries(self, scope: Scope) -> AsyncIterator[Entry]:
        """Every entry below the scope's prefix, of one list. Raises SyncError."""
        reader = await bared(self._reader.get())
        for entry in await bared(reader.catalogue(of_prefix(scope.name_prefix))):
            if entry.name.startswith(scope.name_prefix):
                yield entry

    def sweep_calls(self, entries: int) -> int:  # noqa: ARG002 - a list has no pages
        return 1

    async def put(self, name: str, data: bytes, tags: Mapping[str, str]) -> str:
        """Write the secret, with just these tags; returns its new version. Raises SyncError."""
        return await bared(self._write(name, lambda reader: writing.put(reader, name, data, tags)))

    async def delete(self, name: str) -> None:
        """Delete the secret, for good. Raises SecretMissing when there is none."""
        await bared(self._write(name, lambda reader: writing.delete(reader, name)))

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._reader.end()

    async def _connect(self) -> Reader:
        return Reader(await connect(self._spec, self._context), self._spec.imports)

    async def _check(self) -> Access:
        reader = await self._reader.get()
        below = of_prefix(self._context.scope.name_prefix)
        described = await reader.names(below)
        try:
            catalogue = await reader.catalogue(below)
        except CallDenied:
            self.batch = 1
            return Access(listing=False, batching=False, lacking=(_NO_LISTING.format(where=_where(reader, below)),))
        self.batch = _WHOLE_FOLDER
        readable = {entry.name for entry in catalogue if not entry.versions[""].endswith(HIDDEN)}
        unread = sorted(described - readable)
        return Access(lacking=(_lacking(reader, below, unread),) if unread else ())

    async def _current(self, reader: Reader, refs: list[Ref]) -> dict[Ref, Fetched]:
        """Current versions, by one list; where one secret forbids that, Infisical tells of each by itself."""
        if not refs:
            return {}
        if self.batch > 1:
            try:
                return _of_list(reader, refs, await reader.values(common(ref.id for ref in refs)))
            except CallDenied:
                self.batch = 1
            except SyncError as e:
                return {ref: bare(e) for ref in refs}
        async with asyncio.TaskGroup() as group:
            reads = {ref: group.create_task(_answer(_single(reader, ref))) for ref in refs}
        return {ref: read.result() for ref, read in reads.items()}

    async def _write(self, name: str, work: Callable[[Reader], Awaitable[T]]) -> T:
        if not possible(name):
            raise SpecInvalid(f"no secret of Infisical can be named {name!r}: write a name such as team/db")
        return await work(await self._reader.get())


_NO_LISTING = (
    "Read Value on every secret in {where}, and on what their values refer to: without it Infisical lists none of them "
    "with their values, so each is read by a call of its own, and mapping by Tags and find do not work"
)


def _where(reader: Reader, below: str) -> str:
    return reader.connection.place.words(reader.folder(below))


def _lacking(reader: Reader, below: str, unread: list[str]) -> str:
    named = ", ".join(unread[:_TOLD]) + (", …" if len(unread) > _TOLD else "")
    return (
        f"Read Value on {len(unread)} of the secrets in {_where(reader, below)} ({named}): they cannot be read, and "
        "may look as if they were not there"
    )


def _of_list(reader: Reader, refs: list[Ref], found: Mapping[str, Secret]) -> dict[Ref, Fetched]:
    return {
        ref: found[ref.id].fetched(_hidden(reader, ref)) if ref.id in found else SecretMissing(reader.absent(ref.id))
        for ref in refs
    }


def _hidden(reader: Reader, ref: Ref) -> str:
    where = reader.connection.place.words(reader.connection.place.folder)
    return (
        f"{reader.connection.login} may not see the value of {ref.id} in {where}: give it a role with Read Value there"
    )


async def _single(reader: Reader, ref: Ref) -> Fetched:
    if ref.version and not _NUMBER.fullmatch(ref.version):
        return SecretMissing(f"{ref.id} has no version {ref.version}: Infisical's versions are numbers from 1 on")
    try:
        secret = await reader.one(ref.id, ref.version)
    except NotThere as absent:
        if absent.what in {What.SECRET, What.FOLDER}:
            return SecretMissing(reader.absent(ref.id, ref.version))
        raise
    except CallDenied as denied:
        return PermissionDenied(f"{ref.id}: {denied}")
    return secret.fetched(_hidden(reader, ref))


async def _answer(read: Awaitable[Fetched]) -> Fetched:
    try:
        return await read
    except SyncError as e:
        return bare(e)
