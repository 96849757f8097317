"""The permissions of the documentation, on the stand-in: they suffice, and what is lost without a part of them."""

import json
import re
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from keyferry.backends.infisical import InfisicalBackend
from keyferry.errors import PermissionDenied, SecretMissing
from keyferry.values import Ref, Scope, Value
from tests.contract.infisical_stores import listed, store
from tests.standins.infisical import InfisicalStandIn

PAGE = Path(__file__).parents[2] / "docs" / "providers" / "infisical.md"
ACME = Scope(name_prefix="acme/")
DB, OTHER = Ref("acme/payments/db"), Ref("umbrella/payments/db")


def documented() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rules as the page has them: for reading, and for writing besides."""
    reading, writing = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return json.loads(reading), json.loads(writing)


def without(rules: list[dict[str, Any]], subject: str, action: str) -> list[dict[str, Any]]:
    """The rules with one action taken out."""
    less = [
        {**each, "action": [one for one in each["action"] if (each["subject"], one) != (subject, action)]}
        for each in rules
    ]
    assert less != rules
    return less


@pytest.fixture
def shared(infisical: InfisicalStandIn) -> InfisicalStandIn:
    for ref in (DB, OTHER, Ref("acme/payments/api")):
        infisical.put(ref.id, "v")
    return infisical


def reader(infisical: InfisicalStandIn, **spec: Any) -> "aclosing[InfisicalBackend]":
    return aclosing(store(infisical, scope=ACME, spec=spec))


async def test_the_documented_role_suffices_and_shows_nothing_beyond_its_prefix(shared: InfisicalStandIn):
    shared.allow(*documented()[0])
    async with reader(shared) as backend:
        access = await backend.check()
        got = await backend.fetch([DB, Ref(DB.id, "1")])
        beyond = await backend.fetch([OTHER])
        assert set(await listed(backend, ACME)) == {DB.id, "acme/payments/api"}
        assert set(await listed(backend)) == {DB.id, "acme/payments/api"}
    assert (access.listing, access.lacking) == (True, ())
    assert [isinstance(answer, Value) for answer in got.values()] == [True, True]
    assert not isinstance(beyond[OTHER], Value)


async def test_without_describing_the_store_is_not_ready_and_the_message_says_what_to_grant(shared: InfisicalStandIn):
    shared.allow(*without(documented()[0], "secrets", "describeSecret"))
    async with reader(shared) as backend:
        with pytest.raises(PermissionDenied) as failure:
            await backend.check()
        got = await backend.fetch([DB])
    assert str(failure.value) == (
        "the identity in Secret payments/infisical-login may not do this in folder /acme of environment prod, project "
        f"{shared.project.identity}: give it a role with Describe Secret and Read Value there"
    )
    assert isinstance(got[DB], PermissionDenied)


async def test_what_may_not_be_read_below_looks_missing_and_is_named_by_the_check(shared: InfisicalStandIn):
    shared.deny("readValue", key="db")
    async with reader(shared) as backend:
        access = await backend.check()
        got = await backend.fetch([DB, Ref("acme/web/db"), Ref("acme/payments/api")])
    assert "Read Value on 1 of the secrets in folder /acme of environment prod" in access.lacking[0]
    assert f"({DB.id})" in access.lacking[0]
    assert isinstance(got[DB], SecretMissing)
    assert "or the identity in Secret payments/infisical-login may not read it" in str(got[DB])
    assert isinstance(got[Ref("acme/payments/api")], Value)


async def test_what_may_not_be_read_in_the_listed_folder_itself_costs_the_others_a_call_each(shared: InfisicalStandIn):
    names = [shared.put(f"s{n}", "v") for n in range(3)]
    shared.deny("readValue", "/", "s1")
    async with aclosing(store(shared)) as backend:
        access = await backend.check()
        assert (access.listing, access.batching, backend.batch) == (False, False, 1)
        assert access.lacking[0].startswith("Read Value on every secret in folder / of environment prod")
        shared.wire.clear()
        got = await backend.fetch([Ref(name) for name in names])
        assert shared.counts() == {"read": 3}
        with pytest.raises(PermissionDenied):
            await listed(backend)
        shared.rules.clear()
        assert (await backend.check()).lacking == ()
        assert backend.batch > 1
    assert [isinstance(answer, Value) for answer in got.values()] == [True, False, True]
    assert "s1: the identity in Secret" in str(got[Ref("s1")])


async def test_a_refusal_that_comes_while_the_store_runs_spoils_nothing_else(shared: InfisicalStandIn):
    names = [shared.put(f"s{n}", "v") for n in range(3)]
    async with aclosing(store(shared)) as backend:
        await backend.check()
        shared.deny("readValue", "/", "s1")
        got = await backend.fetch([Ref(name) for name in names])
    assert [isinstance(answer, Value) for answer in got.values()] == [True, False, True]


async def test_what_a_value_refers_to_must_be_readable_too(shared: InfisicalStandIn):
    shared.put("acme/payments/url", "${prod.umbrella.payments.db}")
    shared.allow(*documented()[0])
    async with reader(shared) as backend:
        access = await backend.check()
        got = await backend.fetch([Ref("acme/payments/url"), DB])
    answer = got[Ref("acme/payments/url")]
    assert not access.listing
    assert isinstance(got[DB], Value)
    assert isinstance(answer, PermissionDenied)
    assert "refers to one that the identity in Secret payments/infisical-login may not read" in str(answer)


async def test_a_project_that_the_identity_is_no_member_of_is_told(shared: InfisicalStandIn):
    shared.project.members = {"somebody"}
    async with reader(shared) as backend:
        with pytest.raises(PermissionDenied, match="give it a role with Describe Secret"):
            await backend.check()


async def writes(backend: InfisicalBackend) -> None:
    """All that can be done to a secret, one after the other."""
    await backend.put("acme/new/deep/db", b"1", {"team": "x"})
    await backend.put("acme/new/deep/db", b"2", {"team": "y"})
    await backend.delete("acme/new/deep/db")


async def test_the_documented_role_for_writing_suffices(shared: InfisicalStandIn):
    reading, writing = documented()
    shared.allow(*reading, *writing)
    async with reader(shared) as backend:
        await writes(backend)


@pytest.mark.parametrize(
    ("subject", "action", "words"),
    [
        ("secrets", "create", r"Create \(Secrets\)"),
        ("secrets", "edit", r"Update \(Secrets\)"),
        ("secrets", "delete", r"Delete \(Secrets\)"),
        ("secret-folders", "create", r"Create \(Secret Folders\)"),
    ],
    ids=["create", "edit", "delete", "folders"],
)
async def test_without_any_part_of_it_something_cannot_be_written(
    shared: InfisicalStandIn, subject: str, action: str, words: str
):
    reading, writing = documented()
    shared.allow(*reading, *without(writing, subject, action))
    async with reader(shared) as backend:
        with pytest.raises(PermissionDenied, match=f"in folder /acme.* give it a role with {words} there"):
            await writes(backend)
