"""The SQL backend on a real MariaDB."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.contract.subjects._sql import SqlSubject, opened


@asynccontextmanager
async def open_subject(folder: Path) -> AsyncIterator[SqlSubject]:
    async with opened("mariadb") as subject:
        yield subject
