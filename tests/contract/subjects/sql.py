"""The contract suite over the SQL backend on SQLite: a real file, which another connection spoils and locks."""

import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from keyferry.api.providers.references import SecretKeyRef
from keyferry.api.providers.sql import Sql, SqlEncryption
from keyferry.backends.sql import create
from keyferry.backends.sql.backend import SqlBackend
from keyferry.errors import AuthFailed, SyncError, ValueInvalid
from keyferry.values import Ref
from tests.contract.context import SeededCluster, context

SPEC = Sql(database="app", encryption=SqlEncryption(key_secret_ref=SecretKeyRef(name="sql", key="key")))


@dataclass
class SqliteSubject:
    """A folder for the data, and the database in it as another process sees it."""

    data_dir: Path
    made: list[SqlBackend] = field(default_factory=list)
    wrong_login: type[SyncError] = AuthFailed
    batches: bool = True

    @property
    def file(self) -> Path:
        return self.data_dir / "sql" / "payments" / "app.db"

    def backend(self, *, timeout: float = 10.0, wrong_login: bool = False) -> SqlBackend:
        key = b"another key of at least 32 characters" if wrong_login else b"a key of at least 32 characters, this"
        cluster = SeededCluster({"sql": {"key": key}})
        self.made.append(create(SPEC, context(cluster=cluster, timeout=timeout, data_dir=self.data_dir)))
        return self.made[-1]

    @cached_property
    def seeds(self) -> SqlBackend:
        return self.backend(timeout=60)  # a busy disk is no reason to fail

    async def put(self, name: str, data: bytes, tags: Mapping[str, str]) -> Ref:
        await self.seeds.put(name, data, tags)
        return Ref(name)

    async def delete(self, name: str) -> None:
        await self.seeds.delete(name)

    @asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        away = self.data_dir.rename(self.data_dir.with_suffix(".away"))
        try:
            yield
        finally:
            away.rename(self.data_dir)

    @asynccontextmanager
    async def silence(self) -> AsyncIterator[None]:
        with self.connection() as db:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("BEGIN EXCLUSIVE")
            yield

    @asynccontextmanager
    async def spoiled(self, ref: Ref) -> AsyncIterator[type[SyncError]]:
        query = "SELECT ciphertext FROM keyferry_secret WHERE name = ?"
        update = "UPDATE keyferry_secret SET ciphertext = ? WHERE name = ?"
        with self.connection() as db:
            (good,) = db.execute(query, [ref.id]).fetchone()
            db.execute(update, [good[:-1] + bytes([good[-1] ^ 1]), ref.id])
        try:
            yield ValueInvalid
        finally:
            with self.connection() as db:
                db.execute(update, [good, ref.id])

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.file, isolation_level=None)) as db:
            yield db


@asynccontextmanager
async def open_subject(folder: Path) -> AsyncIterator[SqliteSubject]:
    """A database that does not exist yet."""
    data_dir = folder / "data"
    data_dir.mkdir()
    subject = SqliteSubject(data_dir)
    yield subject
    for backend in subject.made:
        await backend.aclose()
