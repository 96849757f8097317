"""A SQL table of encrypted values as a backend: every question is one transaction, within the store's budget."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping
from typing import TypeVar

from keyferry.api.providers.sql import Sql
from keyferry.backends.base import Access, Context, Heard
from keyferry.backends.cipher import SHORTEST_KEY, key_material
from keyferry.backends.sql.database import Database, Key, Work
from keyferry.backends.sql.login import Login, login_of, place_on_server
from keyferry.backends.sql.place import Place, place_of
from keyferry.backends.sql.schema import LONGEST_BYTES, LONGEST_NAME
from keyferry.backends.sql.sqlite import SqliteDatabase
from keyferry.backends.sql.table import Listed, Table, is_name
from keyferry.errors import (
    AuthFailed,
    CredentialsMissing,
    SecretMissing,
    SecretTooLarge,
    SpecInvalid,
    SyncError,
    ValueInvalid,
)
from keyferry.values import Entry, Fetched, Ref, Scope, Value

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
LARGEST_VALUE = 1024 * 1024  # bytes: no Kubernetes Secret holds more
LARGEST_ANSWER = 16 * LARGEST_VALUE  # to one question, as far as the sizes of values are known
_SPOILED = (
    "a row of the list is not as Keyferry wrote it: put that secret again, or restore a backup; the operator's log "
    "names it"
)
_IN_CLEAR = (
    "TLS: tls: Disabled; all on the way to the server can see names and tags, and change what is said; values are "
    "encrypted in any case"
)


class SqlBackend:
    """Reads and writes the secrets of one database. The current version of each is the only one."""

    tagged = True
    page = 5000

    def __init__(self, spec: Sql, context: Context, *, clock: Callable[[], float] = time.time) -> None:
        self._server = place_on_server(spec, context)
        self._place = self._server or place_of(context.data_dir, context.store, spec.database or "")
        self._spec = spec
        self._context = context
        self._clock = clock
        self._renewing = asyncio.Lock()
        self._database: Database | None = None
        self._largest = 0  # bytes of the largest value, as far as that is known

    @property
    def batch(self) -> int:
        """So many that one answer is small enough to hold, and far below SQLite's limit on variables."""
        return max(1, min(500, LARGEST_ANSWER // max(1, self._largest)))

    async def check(self) -> Access:
        """Log in anew and try the key. It fits even an empty database, or AuthFailed is raised."""
        database = await self._log_in()

        async def attempt() -> int:
            await database.knock()
            return await database.run(_largest)

        self._largest = await self._context.call("Check", attempt)
        return Access(lacking=(_IN_CLEAR,) if self._server and not self._server.tls else ())

    async def fetch(self, refs: Collection[Ref]) -> Mapping[Ref, Fetched]:
        """Answer for every ref, with one query for as many as `batch`."""
        names = sorted({ref.id for ref in refs if self._is_name(ref.id)})
        found: dict[str, Fetched] = {}
        while names:
            size = self.batch
            found |= await self._read(names[:size])
            names = names[size:]
        return {ref: self._answer(ref, found.get(ref.id)) for ref in refs}

    async def entries(self, scope: Scope) -> AsyncIterator[Entry]:
        """Every secret in the scope, from names, versions and tags alone. A page is true as a whole."""
        after, more = "", True
        while more:
            page = await self._ask("List", _paging(after, scope.name_prefix, self.page))
            for row in page:
                if row.entry is None:
                    _LOG.warning("%s", self._changed(row.name))
                    raise ValueInvalid(f"{self._place}: {_SPOILED}")
                if _inside(scope, row.entry.tags):
                    yield row.entry
            more = len(page) == self.page
            after = page[-1].name if page else ""

    def sweep_calls(self, entries: int) -> int:
        return math.ceil(entries / self.page)

    async def put(self, name: str, data: bytes, tags: Mapping[str, str]) -> str:
        """Write the secret with just these tags; returns its new version."""
        if not self._is_name(name):
            most = f", in at most {LONGEST_BYTES} bytes of UTF-8" if self._server else ""
            raise SpecInvalid(f"{self._place}: a secret's name has 1 to {LONGEST_NAME} printable characters{most}")
        if len(data) > LARGEST_VALUE:
            raise SecretTooLarge(f"{self._place}, secret {name!r}: a value has at most {LARGEST_VALUE} bytes")

        async def write(table: Table) -> int:
            return await table.put(name, data, tags, now=int(self._clock()))

        return str(await self._ask("Put", write, write=True))

    async def delete(self, name: str) -> None:
        """Delete the secret. Raises SecretMissing when there is none."""

        async def write(table: Table) -> bool:
            return self._is_name(name) and await table.delete(name, now=int(self._clock()))

        if not await self._ask("Delete", write, write=True):
            raise SecretMissing(f"{self._place} has no secret {name!r}")

    def hints(self) -> AsyncGenerator[Heard, None] | None:
        """What PostgreSQL tells of changes; no other database tells anything."""
        if self._server is None or self._server.scheme != "postgresql":
            return None
        from keyferry.backends.sql.listening import heard  # noqa: PLC0415 - a driver that SQLite does without

        return heard(self._server, self._context, self._ready_to_listen)

    async def aclose(self) -> None:
        if self._database is not None:
            await self._database.aclose()

    async def _read(self, names: Collection[str]) -> dict[str, Fetched]:
        async def read(table: Table) -> dict[str, Value | None]:
            return await table.read(names)

        try:
            found = await self._ask("Select", read)
        except SyncError as error:
            return dict.fromkeys(names, _bare(error))
        self._largest = max([self._largest, *(len(value.data) for value in found.values() if value)])
        return {name: value or self._changed(name) for name, value in found.items()}

    def _answer(self, ref: Ref, found: Fetched | None) -> Fetched:
        if found is None:
            return SecretMissing(f"{self._place} has no secret {ref.id!r}")
        if isinstance(found, Value) and ref.version not in ("", found.version):
            return SecretMissing(
                f"{self._place} keeps only the current version of {ref.id!r}, which is {found.version}: "
                f"version {ref.version!r} is gone, or never was; leave version out to follow the current one"
            )
        return found

    def _changed(self, name: str) -> ValueInvalid:
        return ValueInvalid(
            f"{self._place}, secret {name!r}: the row is not as Keyferry wrote it. It was changed from outside, or its "
            "content is that of another row or of an older version; put the secret again, or restore a backup"
        )

    async def _ready_to_listen(self) -> Login:
        """What logs in, once there are tables to hear of."""
        database = await self._log_in()
        await database.run(_nothing)
        return await login_of(self._spec, self._context)

    def _is_name(self, name: str) -> bool:
        return is_name(name, indexed=self._server is not None)

    async def _ask(self, operation: str, work: Work[T], *, write: bool = False) -> T:
        """What the work comes to. Where the login is refused, it is tried once more with what the Secrets hold now."""
        database = self._database or await self._log_in()

        async def attempt() -> T:
            return await database.run(work, write=write)

        try:
            return await self._context.call(operation, attempt)
        except AuthFailed:
            former, database = database, await self._log_in()
            if database is former:
                raise
        return await self._context.call(operation, attempt)

    async def _log_in(self) -> Database:
        """The database under the key and login that the Secrets hold now; the same one, where these are the same."""
        async with self._renewing:
            key = await self._key()
            login = await login_of(self._spec, self._context) if self._server else None
            former = self._database
            if former is not None and former.same(login, key):
                return former
            database = self._database = self._opened(login, key)
            if former is not None:
                await former.aclose()
            return database

    def _opened(self, login: Login | None, key: Key) -> Database:
        context, place = self._context, self._place
        if isinstance(place, Place):
            # Another process's lock must be given up before the call is, so that the error can say what it was.
            return SqliteDatabase(place, key, busy=context.timeout / 2)
        if login is None:
            raise SpecInvalid("spec.provider.sql: give auth")
        from keyferry.backends.sql.server import ServerDatabase  # noqa: PLC0415 - drivers that SQLite does without

        return ServerDatabase(place, login, key, timeout=context.timeout, connections=context.concurrency)

    async def _key(self) -> Key:
        ref = self._spec.encryption.key_secret_ref
        source = f"Secret {ref.namespace or self._context.store.namespace}/{ref.name}, key {ref.key},"
        material = key_material(await self._context.cluster.secret(ref))
        if material is None:
            raise CredentialsMissing(
                f"{self._place}: {source} has fewer than {SHORTEST_KEY} characters; write a longer key, such as that "
                "of: openssl rand -base64 48"
            )
        return Key(material, source)


async def _nothing(_: Table) -> None:
    """To find the tables is all."""


async def _largest(table: Table) -> int:
    """To open the database is the question; this is told with the answer."""
    return await table.largest()


def _paging(after: str, prefix: str, size: int) -> Work[list[Listed]]:
    async def page(table: Table) -> list[Listed]:
        return await table.page(after, prefix, size)

    return page


def _inside(scope: Scope, tags: Mapping[str, str]) -> bool:
    return all(key in tags and text in ("", tags[key]) for key, text in scope.tags.items())


def _bare(error: SyncError) -> SyncError:
    """The error as an answer, which outlives the question by far: without the frames that it came through."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
