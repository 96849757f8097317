"""Aspects: one process reads while another writes, as the operator and the CLI in its pod do; one is killed."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from keyferry.values import Entry, Ref, Scope, Value
from tests.contract.subjects.sql import SqliteSubject

DB = Ref("db")
LIMIT = 60  # seconds, for a process that writes for one or two


@asynccontextmanager
async def writer(database: SqliteSubject, puts: int) -> AsyncIterator[Process]:
    script = Path(__file__).with_name("writer.py")
    environment = {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), str(database.data_dir), str(puts), stdout=PIPE, env=environment
    )
    try:
        async with asyncio.timeout(LIMIT):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(process: Process) -> list[str]:
    assert process.stdout
    return (await process.stdout.readline()).decode().split()


def whole(value: object, entry: Entry) -> bool:
    """Whether the value is one that the writer wrote, and the entry one of the same or another moment, but whole."""
    return isinstance(value, Value) and value.data == value.data[:4] * 1000 and set(entry.tags) == {"written"}


async def test_a_reader_sees_only_whole_rows_and_never_an_older_one(database: SqliteSubject):
    backend, versions, last = database.backend(), [0], ""
    async with writer(database, puts=15) as process:
        while words := await line(process):
            (entry,) = [entry async for entry in backend.entries(Scope())]
            value = (await backend.fetch([DB]))[DB]
            assert whole(value, entry)
            assert isinstance(value, Value)
            versions += [int(entry.versions[""]), int(value.version)]
            last = words[0]
    assert versions == sorted(versions)
    assert versions[-1] == int(last)


async def test_two_writers_lose_no_put(database: SqliteSubject):
    backend = database.backend()
    first = int(await backend.put("db", b"v", {}))
    async with writer(database, puts=20) as process:
        await line(process)
        for _ in range(20):
            await backend.put("db", b"v", {})
        while await line(process):
            pass
    assert int(await backend.put("db", b"v", {})) == first + 41


@pytest.mark.parametrize("after", [1, 4, 9])
async def test_what_a_killed_writer_said_was_written_is_there(database: SqliteSubject, after: int):
    async with writer(database, puts=1000) as process:
        for _ in range(after):
            version, text = await line(process)
        process.kill()
    got = (await database.backend().fetch([DB]))[DB]
    assert isinstance(got, Value)
    assert int(got.version) >= int(version)
    assert got.data[:4] >= text.encode()
