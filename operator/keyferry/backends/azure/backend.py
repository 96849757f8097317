"""The backend: lists the properties of secrets, reads what changed one by one, and writes."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from keyferry.api.providers.azure import Azure
from keyferry.backends.azure import exchange, names
from keyferry.backends.azure.catalogue import PAGE, PAGES, entry
from keyferry.backends.azure.errors import DELETE, GET, LIST, RECOVER, SET, CallDenied, Operation
from keyferry.backends.base import Access, Context
from keyferry.backends.turns import AtFirstUse
from keyferry.errors import (
    BackendUnavailable,
    SecretMissing,
    SecretTooLarge,
    SecretUnusable,
    SpecInvalid,
    SyncError,
    ValueInvalid,
    bare,
    bared,
)
from keyferry.values import Entry, Fetched, Ref, Scope, Value

if TYPE_CHECKING:
    from azure.keyvault.secrets.aio import SecretClient

    from keyferry.backends.azure.connection import Connection

T = TypeVar("T")

NOBODY = "keyferry-probe-there-is-no-such-secret"
LARGEST_VALUE = 25 * 1024  # bytes, of UTF-8
NO_LISTING = (
    "secrets/list (role Key Vault Secrets User): without it nothing tells what changed, so every refresh reads every "
    "value anew; only mapping by Names and Paths works, and find does not"
)
NO_READING = (
    "secrets/get (role Key Vault Secrets User): could only be tried on a secret that does not exist; whether the "
    "store's secrets may be read shows when they are"
)


class AzureBackend:
    """Reads and writes a key vault. Connects when it is first used; a failure to connect is tried anew at every use."""

    batch = 1  # Key Vault has no call that reads several values
    tagged = True

    def __init__(self, spec: Azure, context: Context) -> None:
        self._spec = spec
        self._context = context
        self._connection: AtFirstUse[Connection] = AtFirstUse(self._connect, lambda made: made.client.close())

    def __repr__(self) -> str:
        return f"AzureBackend({self._context.store})"

    async def check(self) -> Access:
        """Log in and find out what is allowed, in two calls. Raises SyncError."""
        return await bared(self._check())

    async def fetch(self, refs: Collection[Ref]) -> Mapping[Ref, Fetched]:
        """Answer for every ref, with one call for each. An expected failure is an answer."""
        async with asyncio.TaskGroup() as group:
            reads = {ref: group.create_task(self._one(ref)) for ref in dict.fromkeys(refs)}
        return {ref: read.result() for ref, read in reads.items()}

    async def entries(self, scope: Scope) -> AsyncIterator[Entry]:  # noqa: ARG002 - the vault cannot filter
        """Every secret of the vault. Raises SyncError; then what came before is not to be trusted."""
        seen, link = set[str](), ""
        while True:
            page = await bared(self._page(link))
            for listed in page.secrets:
                yield entry(listed)
            link = page.next
            if not link:
                return
            if link in seen or len(seen) >= PAGES:
                raise BackendUnavailable("the pages of Key Vault's list do not end")
            seen.add(link)

    def sweep_calls(self, entries: int) -> int:
        """A call for each page of 25."""
        return math.ceil(entries / PAGE)

    async def put(self, name: str, data: bytes, tags: Mapping[str, str]) -> str:
        """Create the secret or give it a new version, with just these tags; returns that. Raises SyncError."""
        there, text = names.encoded(name), _text(name, data)
        written = await bared(self._ask(SET, lambda client: exchange.put(client, there, text, tags), name))
        return written.mark

    async def delete(self, name: str) -> None:
        """Delete the secret; while the vault retains it, `restore` brings it back. Raises SecretMissing."""
        there = names.encoded(name)
        await bared(self._ask(DELETE, lambda client: exchange.delete(client, there), name))

    async def restore(self, name: str) -> str:
        """Recover a deleted secret with all its versions; the current one. Raises SecretMissing when there is none."""
        there = names.encoded(name)
        recovered = await bared(self._ask(RECOVER, lambda client: exchange.recover(client, there), name))
        return recovered.mark

    async def aclose(self) -> None:
        """Let go of connections. Calls that are under way break off."""
        await self._connection.end()

    async def _connect(self) -> "Connection":
        connect = await _aside(_connector)
        return await connect(self._spec, self._context)

    async def _ask(
        self,
        operation: Operation,
        call: Callable[["SecretClient"], Awaitable[T]],
        resource: str = "",
        version: str = "",
    ) -> T:
        connection = await self._connection.get()
        return await connection.ask(operation, call, resource=resource, version=version)

    async def _page(self, link: str = "", size: int = PAGE) -> exchange.Page:
        return await self._ask(LIST, lambda client: exchange.page(client, link, size))

    async def _check(self) -> Access:
        listing = await _granted(self._page(size=1))
        reading = await _granted(self._probe())
        lacking = ([] if listing else [NO_LISTING]) + ([] if reading else [NO_READING])
        return Access(listing, None, tuple(lacking))

    async def _probe(self) -> None:
        with contextlib.suppress(SecretMissing):
            await self._ask(GET, lambda client: exchange.get(client, NOBODY, ""), NOBODY)

    async def _one(self, ref: Ref) -> Fetched:
        try:
            there = names.encoded(ref.id)
            if ref.version and not names.version_possible(ref.version):
                return SecretMissing(
                    f"{ref.id} has no version {ref.version}: write the ID, 32 of the characters 0-9a-f"
                )
            held = await self._ask(GET, lambda client: exchange.get(client, there, ref.version), ref.id, ref.version)
            return _answer(held, ref)
        except SyncError as e:
            return bare(e)


def _answer(held: exchange.Held, ref: Ref) -> Fetched:
    """What was read, if it is what was asked for and may be used."""
    about = held.attributes
    if about.name != ref.id or ref.version not in ("", about.version):
        return BackendUnavailable(f"Key Vault answers for another secret than {ref.id}, which was asked")
    if about.flaw:
        return SecretUnusable(f"secret {ref.id}{f' at version {ref.version}' if ref.version else ''} {about.flaw}")
    return Value(held.data, ref.version or about.mark)


def _text(name: str, data: bytes) -> str:
    if len(data) > LARGEST_VALUE:
        raise SecretTooLarge(f"secret {name!r}: a value in Key Vault has at most {LARGEST_VALUE} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        problem = ValueInvalid(
            f"secret {name!r}: Key Vault holds text only: write it as Base64, and decoding: Base64 where it is read"
        )
    raise problem


async def _granted(call: Awaitable[object]) -> bool:
    try:
        await call
    except CallDenied:
        return False
    return True


async def _aside(work: Callable[[], T]) -> T:
    """Work that takes long, in a thread that ends with it."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="azure")
    try:
        return await asyncio.get_running_loop().run_in_executor(pool, work)
    finally:
        pool.shutdown(wait=False)


def _connector() -> "Callable[[Azure, Context], Awaitable[Connection]]":
    try:
        from keyferry.backends.azure import connection  # noqa: PLC0415 - brings Azure's SDK in, on first use
    except ModuleNotFoundError as e:
        if e.name is None or e.name.partition(".")[0] not in {"azure", "msal"}:
            raise
        raise SpecInvalid("this operator is installed without Azure's SDK: install keyferry[azure]") from e
    return connection.connect
