"""The contract suite's subjects, collected from `subjects/`, a module a backend."""

import importlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path
from typing import cast

import pytest

from keyferry.backends.base import Backend
from tests.contract.subject import Subject

SUBJECTS = sorted(path.stem for path in (Path(__file__).parent / "subjects").glob("[!_]*.py"))


@pytest.fixture(params=SUBJECTS)
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    module = importlib.import_module(f"tests.contract.subjects.{request.param}")
    async with cast("AbstractAsyncContextManager[Subject]", module.open_subject(tmp_path)) as opened:
        yield opened


@pytest.fixture
async def backend(subject: Subject) -> AsyncIterator[Backend]:
    async with aclosing(subject.backend()) as made:
        yield made
