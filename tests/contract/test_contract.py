"""What every backend promises, tried on each of them: one suite, the subjects are in `subjects/`."""

import logging
import threading
import traceback
from contextlib import aclosing

import pytest

from keyferry.backends.base import Backend, Catalogue
from keyferry.errors import BackendUnavailable, SecretMissing, SyncError
from keyferry.values import Entry, Fetched, Ref, Scope, Value
from tests.contract.subject import Subject, holds

NOWHERE = Ref("nowhere")  # what every backend could call a secret


async def one(backend: Backend, ref: Ref) -> Fetched:
    return (await backend.fetch([ref]))[ref]


async def value(backend: Backend, ref: Ref) -> Value:
    got = await one(backend, ref)
    assert isinstance(got, Value), got
    return got


async def listed(backend: Backend, scope: Scope | None = None) -> dict[str, Entry]:
    assert isinstance(backend, Catalogue)
    return {entry.name: entry async for entry in backend.entries(scope or Scope())}


async def test_every_ref_is_answered_and_nothing_else(subject: Subject, backend: Backend):
    refs = {await subject.put(f"s{n}", b"%d" % n, {}): subject.as_read(b"%d" % n) for n in range(45)}
    got = await backend.fetch([*refs, NOWHERE])
    assert set(got) == {*refs, NOWHERE}
    assert {ref: answer.data for ref, answer in got.items() if isinstance(answer, Value)} == refs


async def test_nothing_asked_is_nothing_answered(backend: Backend):
    assert await backend.fetch([]) == {}


async def test_a_secret_that_is_not_there_is_missing_and_named(backend: Backend):
    got = await one(backend, NOWHERE)
    assert isinstance(got, SecretMissing)
    assert NOWHERE.id in str(got)


async def test_a_deleted_secret_is_missing(subject: Subject, backend: Backend):
    ref = await subject.put("db", b"v", {})
    await subject.delete("db")
    assert isinstance(await one(backend, ref), SecretMissing)


@pytest.mark.parametrize(
    "data",
    [b"plain", b" \n", b"0", bytes(range(256)), b"\xff\xfe\x00", "žluťoučký".encode(), b"x" * 65536],
    ids=["text", "blank", "zero", "binary", "not utf-8", "utf-8", "64 KiB"],
)
async def test_a_value_comes_back_as_it_was(subject: Subject, backend: Backend, data: bytes):
    if not holds(subject, data):
        pytest.skip("the backend's own limits, which tests of its own are about")
    ref = await subject.put("db", data, {})
    assert (await value(backend, ref)).data == subject.as_read(data)


async def test_one_bad_ref_spoils_nothing(subject: Subject, backend: Backend):
    good, bad = await subject.put("good", b"g", {}), await subject.put("bad", b"b", {})
    async with subject.spoiled(bad) as error:
        got = await backend.fetch([good, bad, NOWHERE])
    assert got[good] == Value(subject.as_read(b"g"), (await value(backend, good)).version)
    assert isinstance(got[bad], error)
    assert bad.id in str(got[bad])


async def test_the_version_changes_with_the_value(subject: Subject, backend: Backend):
    before = await value(backend, await subject.put("db", b"old", {}))
    after = await value(backend, await subject.put("db", b"new", {}))
    assert (before.data, after.data) == (subject.as_read(b"old"), subject.as_read(b"new"))
    assert before.version != after.version


async def test_the_version_stays_while_the_value_stays(subject: Subject, backend: Backend):
    ref = await subject.put("db", b"v", {})
    first = await value(backend, ref)
    await subject.put("another", b"v", {})
    async with aclosing(subject.backend()) as second_backend:
        second = await value(second_backend, ref)
    assert first.version
    assert first.version == second.version


async def test_the_catalogue_and_a_read_agree_on_every_label(subject: Subject, backend: Backend):
    await subject.put("db", b"old", {})
    await subject.put("db", b"new", {})
    entry = (await listed(backend))["db"]
    refs = {Ref(entry.id, label): version for label, version in entry.versions.items()}
    got = await backend.fetch(list(refs))
    read = {ref: answer.version for ref, answer in got.items() if isinstance(answer, Value)}
    assert read == {ref: version or read[ref] for ref, version in refs.items()}  # "": it cannot tell
    assert Ref(entry.id) in refs


async def test_a_version_that_never_was_is_missing(subject: Subject, backend: Backend):
    ref = await subject.put("db", b"v", {})
    assert isinstance(await one(backend, Ref(ref.id, "NEVER")), SecretMissing)


async def test_the_catalogue_has_names_and_tags(subject: Subject, backend: Backend):
    tags = {"namespace": "payments", "key": "db"} if subject.tags else {}
    await subject.put("db", b"v", tags)
    await subject.put("bare", b"v", {})
    entries = await listed(backend)
    assert dict(entries["db"].tags) == tags
    assert dict(entries["bare"].tags) == {}


async def test_what_the_catalogue_lists_can_be_fetched(subject: Subject, backend: Backend):
    await subject.put("db", b"v", {})
    entry = (await listed(backend))["db"]
    assert (await value(backend, Ref(entry.id))).data == subject.as_read(b"v")


async def test_the_catalogue_is_complete_over_many_pages(subject: Subject, backend: Backend):
    names = {f"n{n:03}" for n in range(130)}
    for name in names:
        await subject.put(name, b"v", {})
    assert set(await listed(backend)) == names


@pytest.mark.parametrize(
    "scope",
    [
        Scope(name_prefix="team"),
        Scope(tags={"prefix": "acme"}),
        Scope(tags={"prefix": "acme", "namespace": "", "key": ""}),
        Scope(name_prefix="team", tags={"prefix": "acme"}),
        Scope(tags={"prefix": "äöü"}),
    ],
    ids=["name", "tag", "three tags", "name and tag", "tag beyond ASCII"],
)
async def test_a_scope_never_hides_what_is_in_it(subject: Subject, backend: Backend, scope: Scope):
    if scope.tags and not subject.tags:
        return  # nobody maps by them
    tags = {key: text or "any" for key, text in scope.tags.items()} | {"other": "tag"}
    inside = f"{scope.name_prefix}inside"
    await subject.put(inside, b"v", tags if subject.tags else {})
    await subject.put("outside", b"v", {"unrelated": "yes"} if subject.tags else {})
    assert inside in await listed(backend, scope)


async def test_an_empty_catalogue_is_empty(backend: Backend):
    assert await listed(backend) == {}


async def test_a_good_login_may_list_and_batch(subject: Subject, backend: Backend):
    access = await backend.check()
    assert (access.listing, access.batching) == (True, subject.batches or None)
    assert len(access.lacking) == getattr(
        subject, "lacking", 0
    )  # what its server lacks, and tests of its own are about
    assert (backend.batch > 1) is subject.batches


async def test_an_outage_is_an_answer_and_ends(subject: Subject, backend: Backend):
    ref = await subject.put("db", b"v", {})
    assert (await value(backend, ref)).data == subject.as_read(b"v")
    async with subject.outage():
        got = await backend.fetch([ref, NOWHERE])
        assert [type(answer) for answer in got.values()] == [BackendUnavailable, BackendUnavailable]
        with pytest.raises(BackendUnavailable):
            await listed(backend)
        with pytest.raises(BackendUnavailable):
            await backend.check()
    assert (await value(backend, ref)).data == subject.as_read(b"v")
    assert set(await listed(backend)) == {"db"}


async def test_a_silent_backend_is_given_up_and_comes_back(subject: Subject):
    ref = await subject.put("db", b"v", {})
    async with aclosing(subject.backend(timeout=0.3)) as hasty:
        async with subject.silence():
            assert isinstance(await one(hasty, ref), BackendUnavailable)
            with pytest.raises(BackendUnavailable):
                await listed(hasty)
        # On a busy machine a right answer may take longer than the haste allows; one of many does not.
        answers = [await one(hasty, ref) for _ in range(20)]
    assert any(isinstance(answer, Value) and answer.data == subject.as_read(b"v") for answer in answers)


async def test_a_wrong_login_is_told_by_every_way_in(subject: Subject):
    ref = await subject.put("db", b"v", {})
    async with aclosing(subject.backend(wrong_login=True)) as stranger:
        with pytest.raises(subject.wrong_login):
            await stranger.check()
        assert isinstance(await one(stranger, ref), subject.wrong_login)


def everything_said(*things: object) -> str:
    errors = [thing for thing in things if isinstance(thing, BaseException)]
    told = ["".join(traceback.TracebackException.from_exception(e, capture_locals=True).format()) for e in errors]
    return "\n".join([*map(repr, things), *map(str, things), *told])


async def test_a_value_is_told_to_nobody(subject: Subject, backend: Backend, caplog: pytest.LogCaptureFixture):
    canary = "canary-5f2a-äß"
    with caplog.at_level(logging.DEBUG):
        ref = await subject.put("db", canary.encode(), {})
        caplog.clear()
        await backend.check()
        entries = await listed(backend)
        got = await backend.fetch([ref, NOWHERE])
        async with subject.spoiled(ref):
            spoiled = await one(backend, ref)
        async with subject.outage():
            lost = await one(backend, ref)
    found = got[ref]
    assert isinstance(found, Value)
    assert found.data == subject.as_read(canary.encode())
    said = everything_said(backend, entries, got, *got.values(), spoiled, lost) + caplog.text
    assert canary not in said
    assert "canary-5f2a" not in said


async def test_an_error_that_is_an_answer_drags_no_frames_along(subject: Subject, backend: Backend):
    ref = await subject.put("db", b"v", {})
    async with subject.outage():
        error = await one(backend, ref)
    assert isinstance(error, SyncError)
    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)


async def test_closing_leaves_no_thread(subject: Subject):
    before = set(threading.enumerate())
    backend = subject.backend()
    await backend.check()
    await backend.aclose()
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(5)
    assert [thread for thread in left if thread.is_alive()] == []
