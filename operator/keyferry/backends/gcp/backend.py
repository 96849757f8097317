"""The backend: lists with ListSecrets, reads with AccessSecretVersion, a call for each secret."""

import asyncio
import importlib
import math
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from keyferry.api.providers.gcp import Gcp
from keyferry.backends.base import Access, Context
from keyferry.backends.gcp import catalogue, reading, writing
from keyferry.backends.gcp.errors import CallDenied
from keyferry.backends.gcp.place import nameable
from keyferry.backends.turns import AtFirstUse
from keyferry.errors import BackendUnavailable, SecretMissing, SpecInvalid, SyncError, bare, bared
from keyferry.values import Entry, Fetched, Ref, Scope

if TYPE_CHECKING:
    from keyferry.backends.gcp.connection import Connection

T = TypeVar("T")

NOBODY = "keyferry-probe-there-is-no-such-secret"
ACCESS = "secretmanager.versions.access"
NO_LISTING = (
    "secretmanager.secrets.list on {parent}: without it only mapping by Names and Paths works, and find does not"
)
UNSURE = (
    f"{ACCESS} on {{parent}}: not granted there. Where it is granted secret by secret that is as it should be; whether "
    "the store's secrets may be read shows when they are"
)


class GcpBackend:
    """Reads and writes Google Secret Manager. Connects when it is first used; a failure is tried anew at every use."""

    batch = 1  # Google has no call that reads several
    tagged = True

    def __init__(self, spec: Gcp, context: Context) -> None:
        self._spec = spec
        self._context = context
        self._connection: AtFirstUse[Connection] = AtFirstUse(self._connect, lambda made: made.aclose())

    def __repr__(self) -> str:
        return f"GcpBackend({self._context.store})"

    async def check(self) -> Access:
        """Log in and find out what is allowed, in two calls. Raises SyncError."""
        return await bared(self._check())

    async def fetch(self, refs: Collection[Ref]) -> Mapping[Ref, Fetched]:
        """Answer for every ref. An expected failure is an answer."""
        async with asyncio.TaskGroup() as group:
            reads = {ref: group.create_task(self._answer(ref)) for ref in refs}
        return {ref: read.result() for ref, read in reads.items()}

    async def entries(self, scope: Scope) -> AsyncIterator[Entry]:
        """Every entry in the scope, and perhaps more. Raises SyncError; then what came before is not to be trusted."""
        seen, token = set[str](), ""
        while True:
            page = await bared(self._page(catalogue.filter_of(scope), token))
            for number, entry in enumerate(catalogue.entries(page.secrets, scope)):
                yield entry
                if number % catalogue.BREATH == 0:
                    await asyncio.sleep(0)  # a full page takes a while, and others have work to do, too
            token = page.next_page_token
            if not token:
                return
            if token in seen or len(seen) >= catalogue.PAGES:
                raise BackendUnavailable("Secret Manager's pages of ListSecrets do not end")
            seen.add(token)

    def sweep_calls(self, entries: int) -> int:
        """A call for each page."""
        return math.ceil(entries / catalogue.PAGE)

    async def put(self, name: str, data: bytes, tags: Mapping[str, str]) -> str:
        """Create the secret, or give it a new version, with just these tags; returns the version's number."""
        return await bared(self._put(name, data, tags))

    async def delete(self, name: str) -> None:
        """Delete the secret with all its versions, for good. Raises SecretMissing when there is none."""
        await bared(self._delete(name))

    def name_of(self, parts: Sequence[str]) -> str:
        """The name of a new secret that is mapped by its tags."""
        return writing.name_of(parts)

    async def aclose(self) -> None:
        """Let go of connections and threads, without waiting for calls that are under way."""
        await self._connection.end()

    async def _connect(self) -> "Connection":
        module = await _aside(_imported)
        made: Connection = await module.connect(self._spec, self._context)
        return made

    async def _check(self) -> Access:
        connection = await self._connection.get()
        parent = connection.place.parent
        listing = await _granted(self._page("", size=1))
        readable = await _granted(reading.probe(connection, NOBODY))
        lacking = [] if listing else [NO_LISTING.format(parent=parent)]
        lacking += [] if readable else [UNSURE.format(parent=parent)]
        return Access(listing, None, tuple(lacking))

    async def _page(self, filter_: str, token: str = "", size: int = catalogue.PAGE) -> catalogue.Page:
        return await catalogue.page(await self._connection.get(), filter_, token, size)

    async def _answer(self, ref: Ref) -> Fetched:
        if not nameable(ref.id, ref.version):
            return SecretMissing(
                f"no secret of Secret Manager can be called {ref.id!r}"
                + (f", with a version {ref.version!r}" if ref.version else "")
                + ": names have letters, digits, - and _ (by Paths: separator: _)"
            )
        try:
            return await reading.read(await self._connection.get(), ref)
        except SyncError as e:
            return bare(e)

    async def _put(self, name: str, data: bytes, tags: Mapping[str, str]) -> str:
        return await writing.put(await self._connection.get(), name, data, tags)

    async def _delete(self, name: str) -> None:
        await writing.delete(await self._connection.get(), name)


def _imported() -> ModuleType:
    """The module that brings Google's SDK in, on first use. Raises SpecInvalid where it is not installed."""
    # gRPC's core would write to standard error by itself, past the log's format. It reads this when it is loaded.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        return importlib.import_module("keyferry.backends.gcp.connection")
    except ModuleNotFoundError as e:
        if e.name is None or e.name.partition(".")[0] not in {"google", "google_crc32c", "grpc"}:
            raise
        raise SpecInvalid("this operator is installed without Google's SDK: install keyferry[gcp]") from e


async def _aside(work: Callable[[], T]) -> T:
    """Work that takes time, in a thread that ends with it."""
    with ThreadPoolExecutor(1, thread_name_prefix="gcp") as thread:
        return await asyncio.get_running_loop().run_in_executor(thread, work)


async def _granted(call: Awaitable[object]) -> bool:
    try:
        await call
    except CallDenied:
        return False
    return True
