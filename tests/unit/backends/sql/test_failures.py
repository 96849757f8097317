"""Aspects: real errors of SQLite, provoked; errors of the file system; words that say what to do and quote nothing."""

import errno
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL

from keyferry.backends.sql.failures import mapped
from keyferry.backends.sql.place import Place
from keyferry.errors import BackendUnavailable

PLACE = Place(Path("/data"), "payments", "app")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = create_engine(URL.create("sqlite", database=str(tmp_path / "x.db")), hide_parameters=True)
    with made.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")
    yield made
    made.dispose()


def told(engine: Engine, *statements: str) -> str:
    with pytest.raises(BackendUnavailable) as caught:
        run(engine, statements)
    return str(caught.value)


def run(engine: Engine, statements: Iterable[str]) -> None:
    with mapped(PLACE), engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_a_full_disk_is_called_so(engine: Engine):
    text = told(engine, "PRAGMA max_page_count = 3", "INSERT INTO t VALUES (zeroblob(100000))")
    assert text.startswith(
        "SQLite database app of namespace payments (/data/sql/payments/app.db) is on a volume that is"
    )
    assert "full; make it bigger: see the chart's value persistence (SQLITE_FULL)" in text


def test_a_read_only_database_is_called_so(engine: Engine):
    text = told(engine, "PRAGMA query_only = 1", "INSERT INTO t VALUES (1)")
    assert "is on a read-only volume" in text
    assert "(SQLITE_READONLY)" in text


def test_a_locked_database_is_called_so(engine: Engine, tmp_path: Path):
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert "is locked by another process for too long" in told(engine, "PRAGMA busy_timeout = 1", "SELECT * FROM t")
    other.close()


def test_tables_of_somebody_else_are_called_so(engine: Engine):
    assert "has not the tables that Keyferry makes" in told(engine, "SELECT * FROM keyferry_meta")


def test_sqlites_own_words_are_not_repeated(engine: Engine):
    assert "canary" not in told(engine, "SELECT 'canary-value' FROM canary_table")


def test_an_error_outside_of_sqlalchemy_is_mapped_too(tmp_path: Path):
    (tmp_path / "x.db").write_bytes(b"no database" * 100)
    with pytest.raises(BackendUnavailable, match="is no SQLite database"), mapped(PLACE):
        sqlite3.connect(tmp_path / "x.db").execute("SELECT * FROM sqlite_master")


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (errno.ENOENT, "/data/sql is not there; the operator's data folder must be a mounted volume"),
        (errno.EACCES, "/data/sql may not be used by the operator's user; the volume must belong to it (fsGroup)"),
        (errno.EROFS, "/data/sql is on a read-only volume"),
        (errno.ENOSPC, "/data/sql is on a volume that is full"),
        (errno.EIO, "/data/sql is on a volume that answers with I/O errors"),
        (errno.ELOOP, "/data/sql cannot be used (ELOOP)"),
    ],
    ids=lambda each: errno.errorcode.get(each, "") if isinstance(each, int) else "",
)
def test_the_file_systems_refusals_say_what_to_do(code: int, text: str):
    with pytest.raises(BackendUnavailable) as caught, mapped(PLACE):
        raise OSError(code, "refused", "/data/sql")
    assert text in str(caught.value)


def test_what_is_no_failure_of_the_database_is_left_alone():
    with pytest.raises(ValueError, match="a bug"), mapped(PLACE):
        raise ValueError("a bug")
