"""Aspects: versions; what may be written; odd questions; calls; rows changed from outside; keys."""

import time
from collections.abc import Callable, Mapping

import pytest
from sqlalchemy import event

from keyferry.api.providers.references import SecretKeyRef
from keyferry.api.providers.sql import Sql, SqlEncryption
from keyferry.backends.base import Catalogue, Writer
from keyferry.backends.sql.backend import LARGEST_ANSWER, LARGEST_VALUE, SqlBackend
from keyferry.backends.sql.sqlite import SqliteDatabase
from keyferry.errors import (
    AuthFailed,
    CredentialsMissing,
    SecretMissing,
    SecretTooLarge,
    SpecInvalid,
    SyncError,
    ValueInvalid,
)
from keyferry.values import Fetched, Ref, Scope, StoreKey, Value
from tests.contract.context import SeededCluster, context, counts
from tests.contract.subjects.sql import SPEC, SqliteSubject


async def one(backend: SqlBackend, name: str, version: str = "") -> Fetched:
    ref = Ref(name, version)
    return (await backend.fetch([ref]))[ref]


async def names(backend: SqlBackend, scope: Scope | None = None) -> list[str]:
    return [entry.name async for entry in backend.entries(scope or Scope())]


def with_key(database: SqliteSubject, key: bytes, *, clock: Callable[[], float] = time.time) -> SqlBackend:
    surroundings = context(cluster=SeededCluster({"sql": {"key": key}}), data_dir=database.data_dir)
    return SqlBackend(SPEC, surroundings, clock=clock)


async def test_it_lists_and_writes(backend: SqlBackend):
    assert isinstance(backend, Catalogue)
    assert isinstance(backend, Writer)


async def test_each_put_adds_one_to_the_version(backend: SqlBackend):
    first, second = await backend.put("db", b"old", {}), await backend.put("db", b"new", {})
    assert int(second) == int(first) + 1
    assert await one(backend, "db") == Value(b"new", second)


async def test_a_secret_made_again_goes_on_where_it_ended(backend: SqlBackend):
    before = await backend.put("db", b"v", {})
    await backend.delete("db")
    assert await names(backend) == []
    assert int(await backend.put("db", b"v", {})) == int(before) + 1


async def test_a_version_never_returns_when_the_database_was_lost(database: SqliteSubject):
    backend = with_key(database, b"k" * 32, clock=iter([1000, 2000]).__next__)
    before = await backend.put("db", b"old", {})
    database.file.unlink()
    assert await backend.put("db", b"new", {}) != before


async def test_tags_are_those_of_the_last_put(backend: SqlBackend):
    await backend.put("db", b"v", {"old": "tag", "both": "1"})
    await backend.put("db", b"v", {"both": "2", "zwölf": '"\\\n'})
    (entry,) = [entry async for entry in backend.entries(Scope())]
    assert dict(entry.tags) == {"both": "2", "zwölf": '"\\\n'}
    assert isinstance(await one(backend, "db"), Value)


async def test_the_current_version_can_be_asked_for_by_its_number(backend: SqlBackend):
    version = await backend.put("db", b"v", {})
    assert await one(backend, "db", version) == Value(b"v", version)


async def test_the_catalogue_knows_the_current_version_by_its_number(backend: SqlBackend):
    version = await backend.put("db", b"v", {})
    (entry,) = [entry async for entry in backend.entries(Scope())]
    assert dict(entry.versions) == {"": version, version: version}


async def test_an_older_version_is_missing_and_says_why(backend: SqlBackend):
    older, current = await backend.put("db", b"old", {}), await backend.put("db", b"new", {})
    got = await one(backend, "db", older)
    assert isinstance(got, SecretMissing)
    assert f"keeps only the current version of 'db', which is {current}" in str(got)


@pytest.mark.parametrize("name", ["", "a\nb", "a\0b", "\ud800", "n" * 1025], ids=repr)
async def test_a_name_that_cannot_be_is_refused_and_missing(backend: SqlBackend, name: str):
    with pytest.raises(SpecInvalid, match="1 to 1024 printable characters"):
        await backend.put(name, b"v", {})
    assert isinstance(await one(backend, name), SecretMissing)
    with pytest.raises(SecretMissing):
        await backend.delete(name)


@pytest.mark.parametrize("name", ["n" * 1024, "acme/payments/db", "a%b_c'd\"e", "žluť", "A b"])
async def test_any_printable_name_will_do(backend: SqlBackend, name: str):
    await backend.put(name, b"v", {})
    assert await names(backend) == [name]
    assert isinstance(await one(backend, name), Value)


async def test_upper_and_lower_case_are_two_secrets(backend: SqlBackend):
    await backend.put("db", b"lower", {})
    await backend.put("DB", b"upper", {})
    assert await names(backend, Scope(name_prefix="D")) == ["DB"]
    assert await one(backend, "db") == Value(b"lower", (await version_of(backend, "db")))


async def version_of(backend: SqlBackend, name: str) -> str:
    got = await one(backend, name)
    assert isinstance(got, Value)
    return got.version


@pytest.mark.parametrize("prefix", ["a%", "a_", "a'", "ž"])
async def test_a_prefix_is_no_pattern(backend: SqlBackend, prefix: str):
    for name in (f"{prefix}1", "ab1", "zz"):
        await backend.put(name, b"v", {})
    assert await names(backend, Scope(name_prefix=prefix)) == [f"{prefix}1"]


async def test_a_value_beyond_what_a_secret_holds_is_refused(backend: SqlBackend):
    await backend.put("db", b"x" * 1024 * 1024, {})
    with pytest.raises(SecretTooLarge, match="at most 1048576 bytes"):
        await backend.put("db", b"x" * (1024 * 1024 + 1), {})


async def test_to_delete_what_is_not_there_is_an_error(backend: SqlBackend):
    with pytest.raises(SecretMissing, match="has no secret 'db'"):
        await backend.delete("db")


@pytest.mark.parametrize("how", ["told by the check", "seen by a read"])
async def test_large_values_are_asked_for_a_few_at_a_time(database: SqliteSubject, how: str):
    await database.backend().put("large", b"x" * LARGEST_VALUE, {})
    reader = database.backend()
    assert reader.batch == 500
    await (reader.check() if how == "told by the check" else reader.fetch([Ref("large")]))
    assert 0 < reader.batch * LARGEST_VALUE <= LARGEST_ANSWER


async def test_one_call_answers_a_whole_batch(database: SqliteSubject):
    surroundings = context(cluster=SeededCluster({"sql": {"key": b"k" * 32}}), data_dir=database.data_dir)
    backend = SqlBackend(SPEC, surroundings)
    refs = [Ref(f"n{number}") for number in range(1001)]
    assert set(await backend.fetch(refs)) == set(refs)
    await backend.check()
    assert counts(surroundings) == {"Select": 3, "Check": 1}


@pytest.mark.parametrize(("there", "calls"), [(0, 1), (3, 1), (4, 2), (9, 3)])
async def test_a_catalogue_costs_a_call_a_page(database: SqliteSubject, there: int, calls: int):
    surroundings = context(cluster=SeededCluster({"sql": {"key": b"k" * 32}}), data_dir=database.data_dir)
    backend = SqlBackend(SPEC, surroundings)
    backend.page = 4
    for number in range(there):
        await backend.put(f"n{number}", b"v", {})
    assert await names(backend) == [f"n{number}" for number in range(there)]
    assert counts(surroundings)["List"] == calls


async def test_the_catalogue_never_touches_a_ciphertext(backend: SqlBackend):
    await backend.check()
    assert isinstance(backend._database, SqliteDatabase)
    said: list[str] = []
    event.listen(backend._database._engine.sync_engine, "before_cursor_execute", lambda *told: said.append(told[2]))
    await names(backend, Scope(name_prefix="a"))
    assert any("FROM keyferry_secret" in statement for statement in said)
    assert not any("ciphertext" in statement for statement in said)


TAMPERING = {
    "ciphertexts swapped": "CREATE TEMP TABLE was AS SELECT * FROM keyferry_secret; UPDATE keyferry_secret SET "
    "(nonce, ciphertext) = (SELECT nonce, ciphertext FROM was WHERE was.name != keyferry_secret.name)",
    "row moved": "UPDATE keyferry_secret SET name = 'x' WHERE name = 'b'; UPDATE keyferry_secret SET name = 'b' "
    "WHERE name = 'a'; UPDATE keyferry_secret SET name = 'a' WHERE name = 'x'",
    "tag edited": """UPDATE keyferry_secret SET tags = '{"namespace": "shop"}'""",
    "tags are no JSON": "UPDATE keyferry_secret SET tags = '{'",
    "tags are no object": "UPDATE keyferry_secret SET tags = '[]'",
    "a tag is no text": """UPDATE keyferry_secret SET tags = '{"namespace": 1}'""",
    "tags are no text": "UPDATE keyferry_secret SET tags = x'ff00'",
    "tags are no UTF-8": """UPDATE keyferry_secret SET tags = CAST(x'7b2261223a22ff227d' AS TEXT)""",
    "version edited": "UPDATE keyferry_secret SET version = version + 1",
    "version is no number": "UPDATE keyferry_secret SET version = 'one'",
    "nonce is text": "UPDATE keyferry_secret SET nonce = 'twelve bytes'",
    "ciphertext is text": "UPDATE keyferry_secret SET ciphertext = 'text'",
    "ciphertext gone": "UPDATE keyferry_secret SET ciphertext = NULL",
    "ciphertext cut": "UPDATE keyferry_secret SET ciphertext = substr(ciphertext, 1, 8)",
}


@pytest.mark.parametrize("statements", TAMPERING.values(), ids=TAMPERING)
async def test_a_row_changed_from_outside_is_refused(backend: SqlBackend, database: SqliteSubject, statements: str):
    await backend.put("a", b"of a", {"namespace": "payments"})
    await backend.put("b", b"of b", {"namespace": "payments"})
    with database.connection() as db:
        db.executescript(statements)
    for name in ("a", "b"):
        got = await one(backend, name)
        assert type(got) is ValueInvalid
        assert f"database app of namespace payments, secret '{name}'" in str(got)
        assert "changed from outside" in str(got)


async def test_an_older_content_of_the_same_row_is_refused(backend: SqlBackend, database: SqliteSubject):
    await backend.put("db", b"old", {})
    with database.connection() as db:
        older = db.execute("SELECT nonce, ciphertext FROM keyferry_secret").fetchone()
        await backend.put("db", b"new", {})
        db.execute("UPDATE keyferry_secret SET nonce = ?, ciphertext = ?", older)
    assert type(await one(backend, "db")) is ValueInvalid


@pytest.mark.parametrize("row", ["tags = '{'", """tags = '{"namespace": 1}'""", "version = 'one'"])
async def test_a_catalogue_with_a_row_that_says_nothing_is_not_to_be_trusted_and_only_the_log_names_it(
    backend: SqlBackend, database: SqliteSubject, row: str, caplog: pytest.LogCaptureFixture
):
    """All namespaces of the store read what a list fails with, and it is not for all of them to know the name."""
    await backend.put("team/canary", b"v", {})
    with database.connection() as db:
        db.execute(f"UPDATE keyferry_secret SET {row}")  # noqa: S608 - the rows are those above
    with pytest.raises(ValueInvalid, match="a row of the list is not as Keyferry wrote it") as failure:
        await names(backend)
    assert "canary" not in str(failure.value)
    assert "secret 'team/canary': the row is not as Keyferry wrote it" in caplog.text


@pytest.mark.parametrize("row", ["tags = '{'", "nonce = 'x'"])
async def test_a_changed_row_is_mended_by_a_put(backend: SqlBackend, database: SqliteSubject, row: str):
    await backend.put("db", b"v", {})
    with database.connection() as db:
        db.execute(f"UPDATE keyferry_secret SET {row}")  # noqa: S608 - the rows are those above
    version = await backend.put("db", b"again", {})
    assert await one(backend, "db") == Value(b"again", version)


async def test_a_wrong_key_is_told_even_in_an_empty_database(backend: SqlBackend, database: SqliteSubject):
    await backend.check()
    with pytest.raises(AuthFailed, match=r"Secret payments/sql, key key, does not hold the key"):
        await database.backend(wrong_login=True).check()


async def test_a_wrong_key_writes_nothing(backend: SqlBackend, database: SqliteSubject):
    await backend.put("db", b"v", {})
    with pytest.raises(AuthFailed):
        await database.backend(wrong_login=True).put("db", b"other", {})
    assert await one(backend, "db") == Value(b"v", await version_of(backend, "db"))


async def test_a_key_put_right_is_taken_at_the_next_check(database: SqliteSubject):
    await with_key(database, b"r" * 32).put("db", b"v", {})
    secret: dict[str, bytes] = {"key": b"w" * 32}
    store = SqlBackend(SPEC, context(cluster=SeededCluster({"sql": secret}), data_dir=database.data_dir))
    with pytest.raises(AuthFailed):
        await store.check()
    secret["key"] = b"r" * 32
    await store.check()
    assert isinstance(await one(store, "db"), Value)


@pytest.mark.parametrize(
    ("secrets", "text"),
    [({"sql": {"key": b"k" * 31}}, "fewer than 32 characters"), ({}, "has no key"), ({"sql": {}}, "has no key")],
    ids=["too short", "no Secret", "no key in it"],
)
async def test_without_a_key_nothing_works_and_nothing_is_made(
    database: SqliteSubject, secrets: Mapping[str, Mapping[str, bytes]], text: str
):
    backend = SqlBackend(SPEC, context(cluster=SeededCluster(secrets), data_dir=database.data_dir))
    with pytest.raises(CredentialsMissing, match=text):
        await backend.check()
    got = await one(backend, "db")
    assert isinstance(got, CredentialsMissing)
    assert list(database.data_dir.iterdir()) == []


async def test_two_namespaces_and_the_cluster_have_databases_of_their_own(database: SqliteSubject):
    cluster = SeededCluster({"sql": {"key": b"k" * 32}})
    stores = [StoreKey("payments", "s"), StoreKey("shop", "s"), StoreKey("", "s")]
    backends = [SqlBackend(SPEC, context(cluster=cluster, data_dir=database.data_dir, store=store)) for store in stores]
    for number, each in enumerate(backends):
        await each.put(f"db{number}", b"v", {})
    assert [await names(each) for each in backends] == [["db0"], ["db1"], ["db2"]]


async def test_a_name_that_is_a_path_makes_no_backend():
    spec = Sql.model_construct(
        database="../../etc", encryption=SqlEncryption(key_secret_ref=SecretKeyRef(name="sql", key="key"))
    )
    with pytest.raises(SyncError, match="never a path"):
        SqlBackend(spec, context())
