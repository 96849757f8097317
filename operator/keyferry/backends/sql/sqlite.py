"""SQLite: how a database is made, opened and locked. Everything that blocks runs on the connection's own thread."""

import logging
import os
import sqlite3
import stat
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiosqlite
from sqlalchemy import Connection, create_engine, event, insert, select
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from keyferry.backends.cipher import Cipher, Vault
from keyferry.backends.sql import schema
from keyferry.backends.sql.failures import VOLUME
from keyferry.backends.sql.place import Place
from keyferry.backends.sql.table import Table
from keyferry.errors import AuthFailed, BackendUnavailable

_LOUD = ("aiosqlite", "sqlalchemy.engine.Engine")


@dataclass(frozen=True, slots=True)
class Key:
    """The key of a database, and where it is from."""

    material: bytes
    source: str  # such as: Secret payments/sql, key key

    def __repr__(self) -> str:
        return f"Key({self.source})"


class Database:
    """One SQLite file under one key.

    Every transaction opens the file anew. That costs a few milliseconds and saves all that a pool would need: threads
    that wait, and ways to notice that the file was restored from a backup or that its volume came back.
    """

    def __init__(self, place: Place, key: Key, *, busy: float) -> None:
        """`busy`: seconds to wait for another process's lock."""
        self._place = place
        self._key = key
        self._busy = busy
        for name in _LOUD:
            logging.getLogger(name).addFilter(_no_parameters)
        self._engine = create_async_engine(
            URL.create("sqlite+aiosqlite", database=str(place.path)),
            poolclass=NullPool,
            hide_parameters=True,
            async_creator=self._connect,
        )
        event.listen(self._engine.sync_engine, "begin", _begin)

    @asynccontextmanager
    async def transaction(self, *, write: bool = False) -> AsyncIterator[Table]:
        """The table at one moment; what is written is there as a whole when the block ends well."""
        async with self._engine.execution_options(keyferry_write=write).begin() as connection:
            yield Table(connection, await self._cipher(connection))

    async def aclose(self) -> None:
        await self._engine.dispose()

    async def _connect(self) -> aiosqlite.Connection:
        connection = aiosqlite.Connection(self._open, iter_chunk_size=64)
        thread = connection._thread  # noqa: SLF001 - a hanging volume must not keep the process; SQLAlchemy does the same
        thread.daemon = True
        try:
            return await connection
        except Exception:
            thread.join(1)  # it is about to end, and would complain if the event loop ended before it
            raise

    def _open(self) -> sqlite3.Connection:
        _prepare(self._place, self._key.material)
        address = f"{self._place.path.absolute().as_uri()}?mode=rw"
        connection = _Connection(address, uri=True, timeout=self._busy, isolation_level=None, check_same_thread=False)
        # Bytes that are no UTF-8 spoil their own row, whose ciphertext does not open then, and not the whole answer.
        connection.text_factory = lambda text: text.decode(errors="replace")
        return connection

    async def _cipher(self, connection: AsyncConnection) -> Cipher:
        meta = schema.meta.c
        columns = (meta.schema_version, meta.database_id, meta.salt, meta.key_check)
        row = (await connection.execute(select(*columns).where(meta.id == 1))).first()
        if row is None or row[0] != schema.VERSION:
            found = "has no" if row is None else f"has the unknown version {row[0]!r:.20} of the"
            raise BackendUnavailable(
                f"{self._place} ({self._place.path}) {found} schema, where this Keyferry knows version "
                f"{schema.VERSION}; use the Keyferry that wrote it, or move the file away"
            )
        _, database_id, salt, key_check = row
        whole = isinstance(database_id, str) and isinstance(salt, bytes) and isinstance(key_check, bytes)
        vault = Vault(schema.SCHEME, database_id, salt, key_check) if whole else None
        cipher = vault.cipher(self._key.material) if vault else None
        if cipher is None:
            raise AuthFailed(
                f"{self._place}: {self._key.source} does not hold the key that the database was made with; "
                "put that key back, or name another database"
            )
        return cipher


class _Connection(sqlite3.Connection):
    """Gives its lock back when it is closed within a transaction, as it is when a call takes too long.

    SQLite itself keeps the lock for as long as anybody holds a cursor, and that may be a dead frame's.
    """

    def close(self) -> None:
        if self.in_transaction:
            self.rollback()
        super().close()


def _begin(connection: Connection) -> None:
    """Start a transaction in SQLite's own words: Python's driver would start one too late, and lock too late."""
    write = connection.get_execution_options().get("keyferry_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _no_parameters(record: logging.LogRecord) -> bool:
    """At DEBUG these libraries log statements with all that is in them, whatever the root logger's owner meant."""
    return record.levelno >= logging.WARNING


def _prepare(place: Place, key: bytes) -> None:
    """Make the folders and the database where there are none."""
    if not place.data_dir.is_dir():
        raise BackendUnavailable(f"{place}: the operator's data folder {place.data_dir} is not there; {VOLUME}")
    for folder in place.folders:
        folder.mkdir(mode=0o700, exist_ok=True)
        _narrow(folder, 0o700)
    if not place.path.exists():
        _make(place.path, Vault.new(schema.SCHEME, key))
    _narrow(place.path, 0o600)


def _narrow(path: Path, mode: int) -> None:
    """Take away what others may do: a volume with an fsGroup gives its group rights to all that is on it."""
    now = path.stat()
    if now.st_uid == os.geteuid() and stat.S_IMODE(now.st_mode) & 0o077:
        path.chmod(mode)


def _make(path: Path, vault: Vault) -> None:
    """Make the database aside and put it in place at once: at any moment it is there whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=f"{path.stem}.", suffix=".new", dir=path.parent)
    os.close(handle)
    try:
        engine = create_engine(URL.create("sqlite", database=name), poolclass=NullPool, hide_parameters=True)
        with engine.begin() as connection:
            schema.metadata.create_all(connection)
            row = {"database_id": vault.database_id, "salt": vault.salt, "key_check": vault.key_check}
            connection.execute(insert(schema.meta).values(id=1, schema_version=schema.VERSION, **row))
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")  # readers and one writer at once; kept in the file
        with suppress(FileExistsError):  # another process was quicker, and its database is the one
            os.link(name, path)
    finally:
        Path(name).unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
