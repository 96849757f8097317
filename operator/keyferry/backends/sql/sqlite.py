"""SQLite: how a database is made, opened and locked. Everything that blocks runs on the connection's own thread."""

import os
import sqlite3
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import aiosqlite
from sqlalchemy import Connection, create_engine, event, insert
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from keyferry.backends.cipher import Vault
from keyferry.backends.sql import quiet, schema
from keyferry.backends.sql.database import Key, Work, cipher_of, meta_row
from keyferry.backends.sql.failures import VOLUME, mapped
from keyferry.backends.sql.login import Login
from keyferry.backends.sql.place import Place
from keyferry.backends.sql.table import Table
from keyferry.errors import BackendUnavailable

T = TypeVar("T")


class SqliteDatabase:
    """One SQLite file under one key.

    Every transaction opens the file anew. That costs a few milliseconds and saves all that a pool would need: threads
    that wait, and ways to notice that the file was restored from a backup or that its volume came back.
    """

    def __init__(self, place: Place, key: Key, *, busy: float) -> None:
        """`busy`: seconds to wait for another process's lock."""
        self._place = place
        self._key = key
        self._busy = busy
        quiet.hold("aiosqlite", "sqlalchemy.engine.Engine")
        self._engine = create_async_engine(
            URL.create("sqlite+aiosqlite", database=str(place.path)),
            poolclass=NullPool,
            hide_parameters=True,
            async_creator=self._connect,
        )
        event.listen(self._engine.sync_engine, "begin", _begin)

    def same(self, login: Login | None, key: Key) -> bool:
        """Whether this is the database under just these."""
        return login is None and key == self._key

    async def knock(self) -> None:
        """There is nobody to log in to."""

    async def run(self, work: Work[T], *, write: bool = False) -> T:
        """Work in one transaction. Raises SyncError."""
        with mapped(self._place):
            async with self._engine.execution_options(keyferry_write=write).begin() as connection:
                cipher = cipher_of(await meta_row(connection), self._key, self._place)
                return await work(Table(connection, cipher))

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
