"""What every backend promises that can be written to, tried on each of them."""

import pytest

from keyferry.backends.base import Backend, Catalogue, Restorer, Writer
from keyferry.errors import SecretMissing, SpecInvalid, SyncError
from keyferry.values import Entry, Fetched, Ref, Scope, Value
from tests.contract.subject import Subject

CANARY = b"canary-77c1"


@pytest.fixture
def writer(backend: Backend) -> Writer:
    if not isinstance(backend, Writer):
        pytest.skip("it is only read")
    return backend


@pytest.fixture
def restorer(writer: Writer) -> Restorer:
    if not isinstance(writer, Restorer):
        pytest.skip("what is deleted is gone")
    return writer


async def entry(backend: Backend, name: str) -> Entry | None:
    assert isinstance(backend, Catalogue)
    return next((each for each in [entry async for entry in backend.entries(Scope())] if each.name == name), None)


async def held(backend: Backend, name: str) -> Fetched:
    """What is there under that name; by the catalogue, since a name need not be what is asked for."""
    found = await entry(backend, name)
    ref = Ref(found.id if found else name)
    return (await backend.fetch([ref]))[ref]


@pytest.mark.parametrize(
    "data", [b"text", b"\x00\xff binary", b'{"a": "b"}', b"x" * 60000], ids=lambda data: repr(data[:9])
)
async def test_what_is_put_can_be_read(backend: Backend, writer: Writer, data: bytes):
    version = await writer.put("db", data, {"tier": "web"})
    assert await held(backend, "db") == Value(data, version)


async def test_a_new_secret_has_just_the_tags_that_it_was_given(backend: Backend, writer: Writer):
    await writer.put("db", b"v", {"tier": "web", "managed-by": "keyferry"})
    found = await entry(backend, "db")
    assert found is not None
    assert dict(found.tags) == {"tier": "web", "managed-by": "keyferry"}


async def test_a_new_value_is_a_new_version_and_has_just_the_tags_that_came_with_it(backend: Backend, writer: Writer):
    before = await writer.put("db", b"old", {"a": "1", "b": "2", "c": "3"})
    after = await writer.put("db", b"new", {"b": "2", "c": "other", "d": "4"})
    found = await entry(backend, "db")
    assert found is not None
    assert before != after
    assert (await held(backend, "db"), found.versions[""]) == (Value(b"new", after), after)
    assert dict(found.tags) == {"b": "2", "c": "other", "d": "4"}


async def test_what_others_made_can_be_written_to(subject: Subject, backend: Backend, writer: Writer):
    await subject.put("db", b"theirs", {"a": "1"})
    version = await writer.put("db", b"ours", {"a": "1"})
    assert await held(backend, "db") == Value(b"ours", version)


async def test_what_is_deleted_is_missing_and_not_listed(backend: Backend, writer: Writer):
    await writer.put("db", b"v", {})
    await writer.put("other", b"o", {})
    await writer.delete("db")
    assert isinstance(await held(backend, "db"), SecretMissing)
    assert (await entry(backend, "db"), isinstance(await held(backend, "other"), Value)) == (None, True)


async def test_what_is_not_there_cannot_be_deleted(writer: Writer):
    with pytest.raises(SecretMissing, match="db"):
        await writer.delete("db")


async def test_what_is_deleted_can_be_had_back_as_it_was(backend: Backend, writer: Writer, restorer: Restorer):
    version = await writer.put("db", b"v", {"tier": "web"})
    await writer.delete("db")
    assert await restorer.restore("db") == version
    found = await entry(backend, "db")
    assert found is not None
    assert (await held(backend, "db"), dict(found.tags)) == (Value(b"v", version), {"tier": "web"})


async def test_what_was_not_deleted_cannot_be_restored(writer: Writer, restorer: Restorer):
    await writer.put("db", b"v", {})
    with pytest.raises(SpecInvalid, match="nothing to restore"):
        await restorer.restore("db")
    with pytest.raises(SecretMissing, match="absent"):
        await restorer.restore("absent")


async def test_a_write_that_fails_says_so_without_the_value(subject: Subject, backend: Backend, writer: Writer):
    await writer.put("db", b"v", {})
    async with subject.outage():
        with pytest.raises(SyncError) as failure:
            await writer.put("db", CANARY, {})
        with pytest.raises(SyncError):
            await writer.delete("db")
    assert CANARY.decode() not in f"{failure.value!r} {failure.value.__cause__!r} {failure.value.__context__!r}"
