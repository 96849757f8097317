"""A database that does not exist yet, its backend, and its file as another process sees it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keyferry.backends.sql.backend import SqlBackend
from tests.contract.subjects.sql import SqliteSubject, open_subject


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteSubject]:
    async with open_subject(tmp_path) as subject:
        yield subject


@pytest.fixture
def backend(database: SqliteSubject) -> SqlBackend:
    return database.backend(timeout=60)  # a busy disk is no reason to fail
