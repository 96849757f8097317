"""What every backend promises that can be written to, tried on each of them."""

import json
from typing import Any

import pytest

from keyferry.backends.base import Backend, Catalogue, Restorer, Writer
from keyferry.errors import SecretMissing, SpecInvalid, SyncError
from keyferry.values import Entry, Fetched, Ref, Scope, Value
from tests.contract.subject import Subject, holds, later

CANARY = "canary-77c1"


@pytest.fixture
def writer(backend: Backend) -> Writer:
    if not isinstance(backend, Writer):
        pytest.skip("it is only read")
    return backend


@pytest.fixture
def restorer(subject: Subject, writer: Writer) -> Restorer:
    if not isinstance(writer, Restorer) or not subject.restores:
        pytest.skip("what is deleted is gone")
    return writer


def doc(text: str) -> bytes:
    """A value that every backend takes: some hold nothing but JSON objects."""
    return json.dumps({"v": text}).encode()


def tags(subject: Subject, **given: str) -> dict[str, str]:
    return given if subject.tags else {}


async def entry(backend: Backend, name: str) -> Entry | None:
    assert isinstance(backend, Catalogue)
    return next((each for each in [entry async for entry in backend.entries(Scope())] if each.name == name), None)


async def fetched(backend: Backend, name: str) -> Fetched:
    """What is there under that name; by the catalogue, since a name need not be what is asked for."""
    found = await entry(backend, name)
    ref = Ref(found.id if found else name)
    return (await backend.fetch([ref]))[ref]


async def held(backend: Backend, name: str) -> tuple[Any, str]:
    """The JSON that is there, and its version."""
    value = await fetched(backend, name)
    assert isinstance(value, Value), value
    return json.loads(value.data), value.version


@pytest.mark.parametrize("text", ["text", "žluť\n", "x" * 60000], ids=lambda text: text[:4])
async def test_what_is_put_can_be_read(subject: Subject, backend: Backend, writer: Writer, text: str):
    if not holds(subject, doc(text)):
        pytest.skip("it holds no such values")
    version = await writer.put("db", doc(text), {})
    assert await held(backend, "db") == ({"v": text}, version)


@pytest.mark.parametrize("data", [b"text\n", b"\x00\xff binary"], ids=["text", "binary"])
async def test_bytes_come_back_as_they_were(subject: Subject, backend: Backend, writer: Writer, data: bytes):
    if subject.as_read(data) != data or not holds(subject, data):
        pytest.skip("it holds no such values")
    version = await writer.put("db", data, {})
    assert await fetched(backend, "db") == Value(data, version)


async def test_a_new_secret_has_just_the_tags_that_it_was_given(subject: Subject, backend: Backend, writer: Writer):
    given = tags(subject, tier="web", **{"managed-by": "keyferry"})
    await writer.put("db", doc("v"), given)
    found = await entry(backend, "db")
    assert found is not None
    assert dict(found.tags) == given


async def test_a_new_value_is_a_new_version_with_just_the_tags_that_came_with_it(
    subject: Subject, backend: Backend, writer: Writer
):
    before = await writer.put("db", doc("old"), tags(subject, a="1", b="2", c="3"))
    later(subject)
    after = await writer.put("db", doc("new"), tags(subject, b="2", c="other", d="4"))
    found = await entry(backend, "db")
    assert found is not None
    assert before != after
    assert await held(backend, "db") == ({"v": "new"}, after)
    assert dict(found.tags) == tags(subject, b="2", c="other", d="4")


async def test_what_others_made_can_be_written_to(subject: Subject, backend: Backend, writer: Writer):
    await subject.put("db", b"theirs", tags(subject, a="1"))
    version = await writer.put("db", doc("ours"), tags(subject, a="1"))
    assert await held(backend, "db") == ({"v": "ours"}, version)


async def test_what_is_deleted_is_missing(backend: Backend, writer: Writer):
    await writer.put("db", doc("v"), {})
    await writer.put("other", doc("o"), {})
    await writer.delete("db")
    assert isinstance(await fetched(backend, "db"), SecretMissing)
    assert isinstance(await fetched(backend, "other"), Value)
    found = await entry(backend, "db")
    assert found is None or "" not in found.versions  # what has no value is offered to nobody


async def test_what_is_not_there_cannot_be_deleted(writer: Writer):
    with pytest.raises(SecretMissing, match="db"):
        await writer.delete("db")


async def test_what_is_deleted_can_be_had_back_as_it_was(
    subject: Subject, backend: Backend, writer: Writer, restorer: Restorer
):
    version = await writer.put("db", doc("v"), tags(subject, tier="web"))
    await writer.delete("db")
    assert await restorer.restore("db") == version
    found = await entry(backend, "db")
    assert found is not None
    assert await held(backend, "db") == ({"v": "v"}, version)
    assert dict(found.tags) == tags(subject, tier="web")


async def test_what_was_not_deleted_cannot_be_restored(writer: Writer, restorer: Restorer):
    await writer.put("db", doc("v"), {})
    with pytest.raises((SpecInvalid, SecretMissing), match="db"):
        await restorer.restore("db")
    with pytest.raises(SecretMissing, match="absent"):
        await restorer.restore("absent")


async def test_a_write_that_fails_says_so_without_the_value(subject: Subject, backend: Backend, writer: Writer):
    await writer.put("db", doc("v"), {})
    async with subject.outage():
        with pytest.raises(SyncError) as failure:
            await writer.put("db", doc(CANARY), {})
        with pytest.raises(SyncError):
            await writer.delete("db")
    assert CANARY not in f"{failure.value!r} {failure.value.__cause__!r} {failure.value.__context__!r}"
    assert (await held(backend, "db"))[0] == {"v": "v"}
