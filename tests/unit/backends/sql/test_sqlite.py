"""Aspects: how a database is made; rights on files; files that are none of ours; volumes that fail; logs; threads."""

import asyncio
import logging
import os
import resource
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keyferry.backends.sql.backend import SqlBackend
from keyferry.backends.sql.sqlite import SqliteDatabase
from keyferry.errors import BackendUnavailable
from keyferry.values import Ref, Scope, Value
from tests.contract.subjects.sql import SqliteSubject

DB = Ref("db")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_nothing_is_made_before_the_first_use(database: SqliteSubject):
    backend = database.backend()
    await backend.aclose()
    assert list(database.data_dir.iterdir()) == []


async def test_only_the_operators_user_can_read_the_files(backend: SqlBackend, database: SqliteSubject):
    await backend.put("db", b"v", {})
    with database.connection() as db:
        db.execute("SELECT * FROM keyferry_secret").fetchall()
        files = {path.name: mode(path) for path in database.file.parent.iterdir()}
    assert files == {"app.db": 0o600, "app.db-wal": 0o600, "app.db-shm": 0o600}
    assert [mode(database.data_dir / "sql"), mode(database.file.parent)] == [0o700, 0o700]


async def test_rights_that_a_volume_gave_to_others_are_taken_back(backend: SqlBackend, database: SqliteSubject):
    await backend.check()
    database.file.parent.chmod(0o2770)
    database.file.chmod(0o660)
    await backend.check()
    assert [mode(database.file.parent) & 0o777, mode(database.file)] == [0o700, 0o600]


async def test_many_who_make_the_database_at_once_share_one(database: SqliteSubject):
    backends = [database.backend() for _ in range(8)]
    async with asyncio.TaskGroup() as group:
        for number, backend in enumerate(backends):
            group.create_task(backend.put(f"db{number}", b"v", {}))
    got = await backends[0].fetch([Ref(f"db{number}") for number in range(8)])
    assert [type(answer) for answer in got.values()] == [Value] * 8
    assert [path.name for path in database.file.parent.iterdir()] == ["app.db"]


async def test_readers_do_not_wait_for_a_writer(backend: SqlBackend, database: SqliteSubject):
    await backend.put("db", b"v", {})
    with database.connection() as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE keyferry_secret SET tags = 'half done'")
        assert isinstance((await backend.fetch([DB]))[DB], Value)


async def test_a_writer_that_waits_too_long_for_another_says_so(database: SqliteSubject):
    await database.put("db", b"v", {})
    with database.connection() as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(BackendUnavailable, match="is locked by another process for too long"):
            await database.backend(timeout=4.0).put("db", b"v", {})  # it waits for half of that


@pytest.mark.parametrize("content", [b"", b"hello", b"no database" * 1000], ids=["empty", "short", "long"])
async def test_a_file_that_is_no_database_of_ours_stays_as_it_is(
    backend: SqlBackend, database: SqliteSubject, content: bytes
):
    database.file.parent.mkdir(parents=True)
    database.file.write_bytes(content)
    with pytest.raises(
        BackendUnavailable, match=r"app.db\) (is no SQLite database|has not the tables).*move the file away"
    ):
        await backend.put("db", b"v", {})
    assert database.file.read_bytes() == content


async def test_a_database_of_somebody_else_stays_as_it_is(backend: SqlBackend, database: SqliteSubject):
    database.file.parent.mkdir(parents=True)
    with database.connection() as db:
        db.execute("CREATE TABLE customers (name)")
    before = database.file.read_bytes()
    with pytest.raises(BackendUnavailable, match="has not the tables that Keyferry makes"):
        await backend.check()
    assert database.file.read_bytes() == before


async def test_a_schema_of_another_version_stays_as_it_is(backend: SqlBackend, database: SqliteSubject):
    await backend.check()
    with database.connection() as db:
        db.execute("UPDATE keyferry_meta SET schema_version = 2")
    before = database.file.read_bytes()
    with pytest.raises(
        BackendUnavailable, match="unknown version 2 of the schema, where this Keyferry knows version 1"
    ):
        await backend.put("db", b"v", {})
    assert database.file.read_bytes() == before


async def test_a_database_without_its_meta_row_is_refused(backend: SqlBackend, database: SqliteSubject):
    await backend.check()
    with database.connection() as db:
        db.execute("DELETE FROM keyferry_meta")
    with pytest.raises(BackendUnavailable, match="has no schema"):
        await backend.check()


async def test_a_damaged_page_is_an_answer(backend: SqlBackend, database: SqliteSubject):
    await backend.put("db", b"v" * 20000, {})
    content = bytearray(database.file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    database.file.write_bytes(content)
    got = (await backend.fetch([DB]))[DB]
    assert type(got) is BackendUnavailable
    assert "is damaged; restore a backup of the file (SQLITE_CORRUPT)" in str(got)
    assert (got.__traceback__, got.__cause__, got.__context__) == (None, None, None)  # it outlives the question


async def test_a_file_put_in_place_of_the_open_one_is_seen(backend: SqlBackend, database: SqliteSubject):
    first = await backend.put("db", b"backup", {})
    backup = database.file.read_bytes()
    await backend.put("db", b"later", {})
    database.file.unlink()
    database.file.write_bytes(backup)
    assert (await backend.fetch([DB]))[DB] == Value(b"backup", first)


async def test_a_missing_data_folder_names_the_charts_value(backend: SqlBackend, database: SqliteSubject):
    database.data_dir.rmdir()
    got = (await backend.fetch([DB]))[DB]
    assert isinstance(got, BackendUnavailable)
    assert f"data folder {database.data_dir} is not there; see the chart's value persistence" in str(got)


async def test_a_file_in_the_folders_place_is_an_answer(backend: SqlBackend, database: SqliteSubject):
    (database.data_dir / "sql").write_text("no folder")
    got = (await backend.fetch([DB]))[DB]
    assert isinstance(got, BackendUnavailable)
    assert str(database.data_dir / "sql") in str(got)


@contextmanager
def small_files(limit: int) -> Iterator[None]:
    """While inside, this process can make no file bigger: what a full volume does to SQLite."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_write_that_the_volume_cannot_take_leaves_what_was_there(backend: SqlBackend, database: SqliteSubject):
    first = await backend.put("db", b"good", {})
    with small_files(100_000), pytest.raises(BackendUnavailable, match=r"I/O errors.*\(SQLITE_IOERR_WRITE\)"):
        await backend.put("db", b"x" * 500_000, {})
    assert (await backend.fetch([DB]))[DB] == Value(b"good", first)
    assert await backend.put("db", b"x" * 500_000, {})


async def test_a_database_that_cannot_be_made_leaves_nothing(backend: SqlBackend, database: SqliteSubject):
    with small_files(1000), pytest.raises(BackendUnavailable):
        await backend.check()
    assert list(database.file.parent.iterdir()) == []
    await backend.check()


async def test_nothing_that_is_written_or_read_is_logged(backend: SqlBackend, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        for loud in ("aiosqlite", "sqlalchemy", "sqlalchemy.engine", "sqlalchemy.engine.Engine", "sqlalchemy.pool"):
            caplog.set_level(logging.DEBUG, loud)
        await backend.put("db", b"canary-value", {"tag": "canary-tag"})
        await backend.fetch([DB])
        assert [entry.name async for entry in backend.entries(Scope())] == ["db"]
        await backend.delete("db")
    assert "canary" not in caplog.text
    assert "keyferry_secret" not in caplog.text


async def test_no_value_is_in_the_files(backend: SqlBackend, database: SqliteSubject):
    await backend.put("db", b"canary-value", {})
    with database.connection() as db:
        db.execute("SELECT 1 FROM keyferry_secret").fetchall()
        content = b"".join(path.read_bytes() for path in database.data_dir.rglob("*") if path.is_file())
    assert b"keyferry_secret" in content
    assert b"canary-value" not in content


async def test_a_call_that_is_cancelled_leaves_no_thread(backend: SqlBackend):
    await backend.check()
    before = set(threading.enumerate())
    for ticks in range(30):
        task = asyncio.create_task(backend.put("db", b"v", {}))
        for _ in range(ticks):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
    assert set(threading.enumerate()) <= before
    assert await backend.put("db", b"v", {})


async def test_a_connection_closed_within_a_transaction_gives_its_lock_back(
    backend: SqlBackend, database: SqliteSubject
):
    await backend.check()
    assert isinstance(backend._database, SqliteDatabase)
    connection = backend._database._open()
    connection.execute("BEGIN IMMEDIATE")
    held = connection.execute("SELECT * FROM keyferry_meta")
    connection.close()
    with database.connection() as other:
        other.execute("BEGIN IMMEDIATE")  # raises "database is locked" where a cursor that is held keeps the lock
    del held


def said_by(script: str) -> str:
    """What a fresh Python prints that runs the script and finds what this one finds."""
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    return ran.stdout.strip()


def test_to_import_it_costs_no_sdk():
    script = "import sys, keyferry.backends.sql; print(*{'sqlalchemy', 'cryptography', 'aiosqlite'} & set(sys.modules))"
    assert said_by(script) == ""


WITHOUT_SDK = """
import sys
sys.modules[{sdk!r}] = None
from keyferry.api.providers import Provider
from keyferry.backends import registry
from tests.contract.context import context
spec = {{"sql": {{"database": "app", "encryption": {{"keySecretRef": {{"name": "sql", "key": "key"}}}}}}}}
try:
    registry.create(Provider.model_validate(spec), context())
except Exception as e:
    print(type(e).__name__, e)
"""


@pytest.mark.parametrize("sdk", ["sqlalchemy", "aiosqlite", "cryptography"])
def test_a_missing_sdk_is_told_with_the_extra_that_has_it(sdk: str):
    said = said_by(WITHOUT_SDK.format(sdk=sdk))
    assert said.startswith(f"SpecInvalid provider sql: this operator lacks {sdk}")
    assert said.endswith("; install keyferry[sql]")
