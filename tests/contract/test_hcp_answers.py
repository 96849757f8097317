"""What HCP has, and how it is told: static, rotating and pinned secrets, pages, and what proves that one is gone."""

from contextlib import aclosing

import orjson
import pytest

from keyferry.backends.hcp import HcpBackend
from keyferry.errors import BackendUnavailable, SecretMissing, SecretUnusable
from keyferry.values import Ref, Value
from tests.contract.hcp_stores import DB, listed, one, store
from tests.standins.hcp import HcpStandIn, refuses
from tests.standins.wire import Answer, Call, Proceed, says


async def value(backend: HcpBackend, ref: Ref = DB) -> Value:
    got = await one(backend, ref)
    assert isinstance(got, Value), got
    return got


async def test_a_rotating_secret_is_an_object_whose_rotation_is_its_version(hcp: HcpStandIn, app: HcpBackend):
    hcp.put("DB", {"user": "u", "password": "first"})
    before = await value(app)
    hcp.put("DB", {"user": "u", "password": "second"})
    after = await value(app)
    assert orjson.loads(after.data) == {"user": "u", "password": "second"}
    assert before.version.startswith("1@")
    assert after.version.startswith("2@")
    assert (await listed(app))["DB"].versions[""] == after.version


async def test_a_rotating_secret_without_a_rotation_is_there_and_unusable(hcp: HcpStandIn, app: HcpBackend):
    hcp.put("DB", {"a": "1"})
    hcp.app.secrets["DB"].versions.clear()
    assert "DB" in await listed(app)
    assert isinstance(await one(app), SecretUnusable)


@pytest.mark.parametrize("held", [("old", "new"), ({"p": "old"}, {"p": "new"})], ids=["static", "rotating"])
async def test_a_version_can_be_pinned(hcp: HcpStandIn, app: HcpBackend, held: tuple[str, str]):
    for each in held:
        hcp.put("DB", each)
    got = await app.fetch([DB, Ref("DB", "1"), Ref("DB", "2"), Ref("DB", "3"), Ref("DB", "0"), Ref("NONE", "1")])
    first, second = got[Ref("DB", "1")], got[Ref("DB", "2")]
    assert isinstance(first, Value)
    assert b"old" in first.data
    assert second == got[DB]
    for ref in (Ref("DB", "3"), Ref("DB", "0")):
        assert isinstance(got[ref], SecretMissing)
        assert f"DB has no version {ref.version}" in str(got[ref])
    assert "HCP has no secret NONE in app shop" in str(got[Ref("NONE", "1")])


async def test_another_version_than_was_asked_for_is_no_answer(hcp: HcpStandIn, app: HcpBackend):
    for each in ("old", "new"):
        hcp.put("DB", each)
    other = orjson.dumps({"type": "kv", **hcp.app.secrets["DB"].held(2)})
    with hcp.wire.failing(says(other), "/versions/"):
        assert "about another version" in str(await one(app, Ref("DB", "1")))


async def test_a_version_that_was_deleted_is_missing(hcp: HcpStandIn, app: HcpBackend):
    for each in ("old", "new"):
        hcp.put("DB", each)
    hcp.app.secrets["DB"].deleted.add(1)
    assert isinstance(await one(app, Ref("DB", "1")), SecretMissing)


async def test_a_secret_that_is_made_anew_has_versions_that_never_were(hcp: HcpStandIn, app: HcpBackend):
    hcp.put("DB", "v")
    before = (await value(app)).version
    del hcp.app.secrets["DB"]
    hcp.put("DB", "w")
    assert (await listed(app))["DB"].versions[""] != before


@pytest.mark.parametrize("page", [1, 7, 100])
async def test_pages_are_turned_whatever_their_size(hcp: HcpStandIn, app: HcpBackend, page: int):
    hcp.largest_page = page
    names = [hcp.put(f"S{n}", f"v{n}") for n in range(25)]
    assert set(await listed(app)) == set(names)
    got = await app.fetch([Ref(name) for name in names])
    assert {ref.id: each.data.decode() for ref, each in got.items() if isinstance(each, Value)} == {
        f"S{n}": f"v{n}" for n in range(25)
    }


async def test_pages_that_go_round_in_circles_are_an_error(hcp: HcpStandIn, app: HcpBackend):
    hcp.put("DB", "v")

    def again(_: Call, proceed: Proceed) -> Answer:
        return Answer.of({**orjson.loads(proceed().body), "pagination": {"next_page_token": "again"}})

    with (
        hcp.wire.failing(lambda call, proceed: again(call, _first(hcp, proceed)), "/secrets"),
        pytest.raises(BackendUnavailable, match="the same page of List again and again"),
    ):
        await listed(app)


def _first(hcp: HcpStandIn, proceed: Proceed) -> Proceed:
    """The first page, whichever is asked for."""
    del proceed
    return lambda: Answer.of({"secrets": [each.listed() for each in hcp.app.sorted()]})


async def test_a_catalogue_that_breaks_off_between_pages_is_none(hcp: HcpStandIn, app: HcpBackend):
    hcp.largest_page = 5
    for n in range(12):
        hcp.put(f"S{n}", "v")

    def second(call: Call, proceed: Proceed) -> Answer:
        turned = "pagination.next_page_token" in call.query
        return Answer(500, b"") if turned else proceed()

    with hcp.wire.failing(second, "/secrets"), pytest.raises(BackendUnavailable):
        await listed(app)


async def test_few_values_are_opened_singly_and_many_by_pages(hcp: HcpStandIn, app: HcpBackend):
    hcp.largest_page = 10
    names = [hcp.put(f"S{n:02}", "v") for n in range(30)]
    await listed(app)
    for number, calls in ((1, {"open": 1}), (3, {"open": 3}), (4, {"open all": 1})):
        hcp.wire.clear()
        await app.fetch([Ref(name) for name in names[:number]])
        assert hcp.counts() == calls  # pages end where all is found


async def test_what_is_new_since_the_list_is_found_by_another(hcp: HcpStandIn, app: HcpBackend):
    hcp.put("DB", "v")
    await listed(app)
    hcp.put("NEW", "w")
    assert (await value(app, Ref("NEW"))).data == b"w"


async def test_what_can_be_no_name_is_missing_and_asked_of_nobody(hcp: HcpStandIn, app: HcpBackend):
    got = await app.fetch([Ref("acme_team-a_DB"), Ref("DB/../..")])
    assert all(isinstance(each, SecretMissing) for each in got.values())
    assert "letters, digits and _ are all there is" in str(got[Ref("acme_team-a_DB")])
    assert hcp.wire.calls == []


async def test_a_secret_that_was_deleted_since_the_list_is_missing_by_another_list(hcp: HcpStandIn, app: HcpBackend):
    for name in ("DB", "OTHER"):
        hcp.put(name, "v")
    await listed(app)
    del hcp.app.secrets["DB"]
    hcp.wire.clear()
    assert isinstance(await one(app), SecretMissing)
    assert hcp.counts() == {"open": 1, "list": 1}


async def test_a_secret_that_the_list_has_and_a_read_does_not_find_is_not_missing(hcp: HcpStandIn, app: HcpBackend):
    hcp.put("DB", "v")
    with hcp.wire.failing(refuses(404, "no"), "DB:open"):
        got = await one(app)
    assert type(got) is BackendUnavailable
    assert "lists DB and does not find it" in str(got)


async def test_an_app_without_secrets_is_believed_only_if_it_is_there_itself(hcp: HcpStandIn, app: HcpBackend):
    assert await listed(app) == {}
    assert hcp.counts()["app"] == 1
    with hcp.wire.failing(says(b'{"secrets": []}'), "/apps/shop"):
        with pytest.raises(BackendUnavailable, match="does not tell of the app itself"):
            await listed(app)
        with pytest.raises(BackendUnavailable):
            await app.check()
        assert type(await one(app)) is BackendUnavailable


async def test_a_read_that_brings_another_secret_is_no_answer(hcp: HcpStandIn, app: HcpBackend):
    hcp.put("DB", "v")
    hcp.put("OTHER", "theirs")
    await listed(app)
    theirs = orjson.dumps({"secret": hcp.app.secrets["OTHER"].opened(0)})
    with hcp.wire.failing(says(theirs), "DB:open"):
        assert type(await one(app)) is BackendUnavailable


async def test_two_stores_of_one_app_see_the_same_versions(hcp: HcpStandIn, app: HcpBackend):
    hcp.put("DB", "v")
    async with aclosing(store(hcp)) as other:
        assert (await listed(app))["DB"] == (await listed(other))["DB"]
