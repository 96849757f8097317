"""The backend: one call a secret, whether its metadata or its value is read."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from keyferry.api.providers.vault import Vault
from keyferry.backends.base import Access, Context
from keyferry.backends.calling import Caller
from keyferry.backends.turns import AtFirstUse
from keyferry.backends.vault.errors import CallDenied
from keyferry.errors import SecretMissing, SpecInvalid, SyncError, ValueInvalid, bare, bared
from keyferry.values import Entry, Fetched, Ref, Scope

if TYPE_CHECKING:
    from keyferry.backends.vault.engine import Engine

T = TypeVar("T")

NOBODY = "keyferry/there-is-no-such-secret"  # below the store's prefix


class VaultBackend:
    """Reads and writes a KV engine. Connects when it is first used; a failure to connect is tried anew at every use."""

    batch = 1

    def __init__(self, spec: Vault, context: Context) -> None:
        self.tagged = spec.version == "v2"
        self._spec = spec
        self._context = context
        self._caller = Caller(context)
        self._engine: AtFirstUse[Engine] = AtFirstUse(self._connect, _close)
        self._folders = 1  # that the last sweep found, or the present one has found so far

    def __repr__(self) -> str:
        return f"VaultBackend({self._context.store})"

    async def check(self) -> Access:
        """Log in and find out what is allowed, in four calls, one of them for a secret that is not there."""
        return await self._engine.checked(self._check())

    async def fetch(self, refs: Collection[Ref]) -> Mapping[Ref, Fetched]:
        """Answer for every ref, each by a call of its own. An expected failure is an answer."""
        wanted = list(dict.fromkeys(refs))
        askable = [ref for ref in wanted if possible(ref.id)]
        answers: dict[Ref, Fetched] = {
            ref: SecretMissing(f"no secret of Vault can be named {ref.id!r}") for ref in wanted
        }
        if not askable:
            return answers
        try:
            engine = await self._engine.get()
        except SyncError as e:
            return answers | {ref: bare(e) for ref in askable}
        async with asyncio.TaskGroup() as group:
            reads = {ref: group.create_task(_answer(engine.read(ref))) for ref in askable}
        return answers | {ref: read.result() for ref, read in reads.items()}

    async def entries(self, scope: Scope) -> AsyncIterator[Entry]:
        """Every entry below the scope's prefix: a call for each folder, and one for each secret. Raises SyncError."""
        engine = await bared(self._engine.get())
        folders, self._folders = [_folder(scope.name_prefix)], 0
        while folders:
            now, folders = folders[: self._context.concurrency], folders[self._context.concurrency :]
            self._folders += len(now)
            names = list(itertools.chain(*await _all(_below(engine, folder, scope.name_prefix) for folder in now)))
            folders += [name for name in names if name.endswith("/")]
            secrets = [name for name in names if possible(name)]
            for start in range(0, len(secrets), self._context.concurrency):
                some = secrets[start : start + self._context.concurrency]
                for entry in await _all(engine.described(name) for name in some):
                    if entry is not None:
                        yield entry

    def sweep_calls(self, entries: int) -> int:
        return self._folders + entries

    async def put(self, name: str, data: bytes, tags: Mapping[str, str]) -> str:
        """Write the secret, whose value is a JSON object, with just these tags; returns its new version."""
        content = _content(data, name)
        return await bared(self._write(name, lambda engine: engine.put(name, content, tags)))

    async def delete(self, name: str) -> None:
        """Delete the secret. Raises SecretMissing when there is none."""
        await bared(self._write(name, lambda engine: engine.delete(name)))

    async def restore(self, name: str) -> str:
        """Take the deletion back; returns the version that is current again. Raises SyncError."""
        return await bared(self._write(name, lambda engine: engine.restore(name)))

    async def aclose(self) -> None:
        """Let go of connections and threads, without waiting for calls that are under way."""
        self._caller.close()
        await self._engine.end()

    async def _connect(self) -> "Engine":
        opened = await self._caller.aside(_opener)
        return await opened(self._spec, self._context, self._caller)

    async def _check(self) -> Access:
        engine = await self._engine.get()
        await engine.verify()
        prefix = self._context.scope.name_prefix
        folder, nobody = _folder(prefix), f"{prefix}{NOBODY}"
        listing = await _granted(engine.names(folder))
        describing = await _granted(engine.described(nobody)) if listing else False
        reading = await _granted(engine.read(Ref(nobody)))
        lacking = []
        if not listing:
            lacking.append(_NO_LISTING.format(capability="list", path=engine.listed(folder)))
        elif not describing:
            lacking.append(_NO_LISTING.format(capability="read", path=engine.described_at(f"{prefix}*")))
        if not reading:
            lacking.append(_NO_READING.format(path=engine.read_at(f"{prefix}*"), nobody=engine.read_at(nobody)))
        return Access(listing and describing, None, tuple(lacking))

    async def _write(self, name: str, work: "Callable[[Engine], Awaitable[T]]") -> T:
        if not possible(name):
            raise SpecInvalid(f"no secret of Vault can be named {name!r}: write a path such as team/db")
        return await work(await self._engine.get())


_NO_LISTING = (
    "{capability} on {path}: without it mapping by Tags, find and the list of what the store offers do not work; by "
    "Names and Paths nothing else is lost"
)
_NO_READING = (
    "read on {path}: it could only be tried on a secret that does not exist ({nobody}); whether the store's secrets "
    "may be read shows when they are"
)


@dataclass(frozen=True, slots=True)
class _Failed:
    error: SyncError


def possible(name: str) -> bool:
    """Whether a secret can be named so. Vault takes a doubled / for one, and asks for other secrets by . and .. ."""
    parts = name.split("/")
    return name.isprintable() and all(part and part == part.strip() and part not in (".", "..") for part in parts)


def _folder(prefix: str) -> str:
    """The folder in which, or below which, all names are that begin so."""
    return prefix[: prefix.rfind("/") + 1]


async def _below(engine: "Engine", folder: str, prefix: str) -> list[str]:
    """The secrets and folders in a folder that begin with the prefix, or may have in them what does."""
    names = [f"{folder}{name}" for name in await engine.names(folder)]
    return [name for name in names if name.startswith(prefix) or (name.endswith("/") and prefix.startswith(name))]


def _content(data: bytes, name: str) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise ValueInvalid(f'{name}: a KV secret is a map: give it a JSON object, such as {{"password": "…"}}')
    return content


async def _answer(read: Awaitable[Fetched]) -> Fetched:
    try:
        return await read
    except SyncError as e:
        return bare(e)


async def _told(work: Awaitable[T]) -> T | _Failed:
    try:
        return await work
    except SyncError as e:
        return _Failed(bare(e))


async def _all(works: Iterable[Awaitable[T]]) -> list[T]:
    """All of them at once. Raises the first of their failures, without leaving any of them running."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_told(work)) for work in works]
    results = [task.result() for task in tasks]
    failure = next((each.error for each in results if isinstance(each, _Failed)), None)
    if failure is not None:
        raise bare(failure)
    return [each for each in results if not isinstance(each, _Failed)]


async def _granted(call: Awaitable[object]) -> bool:
    try:
        await call
    except CallDenied:
        return False
    return True


async def _close(engine: "Engine") -> None:
    engine.connection.client.close()


def _opener() -> "Callable[[Vault, Context, Caller], Awaitable[Engine]]":
    try:
        from keyferry.backends.vault import engine  # noqa: PLC0415 - brings hvac in, on first use
    except ModuleNotFoundError as e:
        if e.name is None or e.name.partition(".")[0] not in {"hvac", "requests"}:
            raise
        raise SpecInvalid("this operator is installed without Vault's SDK: install keyferry[vault]") from e
    return engine.opened
