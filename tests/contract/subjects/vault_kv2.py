"""KV version 2, on a real Vault."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.contract.subject import Subject
from tests.contract.subjects._vault import opened


@asynccontextmanager
async def open_subject(folder: Path) -> AsyncIterator[Subject]:
    with opened(2) as subject:
        yield subject
