"""The roles of the documentation, on a real Elasticsearch: they suffice, and less does not."""

import json
import re
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from keyferry.backends.elasticsearch.backend import ElasticsearchBackend
from keyferry.errors import BackendUnavailable, PermissionDenied, SecretMissing, SyncError
from keyferry.values import Ref, Value
from tests.contract.elasticsearch_stores import BASIC, DB, holding, listed, one, store
from tests.servers.elasticsearch_server import PASSWORD, ElasticsearchServer

pytest_plugins = ["tests.contract.elasticsearch_fixtures"]
PAGE = Path(__file__).parents[2] / "docs" / "providers" / "elasticsearch.md"
READING, WRITING, MAKING = range(3)
Role = dict[str, Any]


def blocks() -> list[str]:
    return re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)


def documented(number: int, index: str) -> Role:
    """A role as the page has it, for this index."""
    roles = [json.loads(block) for block in blocks() if not block.startswith("PUT")]
    assert len(roles) == 3
    assert roles[number]["indices"][0]["names"] == ["keyferry-secrets"]
    return {"indices": [{**roles[number]["indices"][0], "names": [index]}]}


def made_as_documented(elastic: ElasticsearchServer, index: str) -> None:
    """The index as the page says that an administrator makes it."""
    (request,) = [block for block in blocks() if block.startswith("PUT")]
    line, _, body = request.partition("\n")
    assert line == "PUT /keyferry-secrets"
    elastic.request("PUT", index, json.loads(body))


def without(role: Role, privilege: str, *instead: str) -> Role:
    (part,) = role["indices"]
    assert privilege in part["privileges"]
    kept = [each for each in part["privileges"] if each != privilege]
    return {"indices": [{**part, "privileges": [*kept, *instead]}]}


def by_key(elastic: ElasticsearchServer, index: str, role: Role) -> "aclosing[ElasticsearchBackend]":
    return aclosing(store(elastic, index, cluster=holding(elastic, apiKey=elastic.key(role).encoded)))


def by_user(elastic: ElasticsearchServer, index: str, role: Role) -> "aclosing[ElasticsearchBackend]":
    cluster = holding(elastic, username=elastic.user(role), password=PASSWORD)
    return aclosing(store(elastic, index, BASIC, cluster=cluster))


@pytest.fixture
async def seeded(elastic: ElasticsearchServer, index: str, writer: ElasticsearchBackend) -> str:
    """An index that an administrator made and somebody with the right to filled."""
    made_as_documented(elastic, index)
    await writer.put(DB.id, b"v", {"tier": "web"})
    return index


async def writes(backend: ElasticsearchBackend) -> None:
    """All that can be done to a secret, one after the other."""
    await backend.put("app/new", b"1", {"team": "x"})
    await backend.put("app/new", b"2", {"team": "y"})
    await backend.delete("app/new")


@pytest.mark.parametrize("login", [by_key, by_user], ids=["API key", "user"])
async def test_the_documented_role_for_reading_suffices(elastic: ElasticsearchServer, seeded: str, login: Any):
    async with login(elastic, seeded, documented(READING, seeded)) as backend:
        access = await backend.check()
        assert (access.listing, access.lacking) == (True, ())
        assert set(await listed(backend)) == {DB.id}
        assert isinstance(await one(backend), Value)


async def test_it_can_neither_write_nor_read_beyond_its_index(elastic: ElasticsearchServer, seeded: str):
    async with by_key(elastic, seeded, documented(READING, seeded)) as backend:
        with pytest.raises(PermissionDenied, match=f"lacks the privilege index on the index {seeded}: grant it"):
            await backend.put("app/new", b"v", {})
        with pytest.raises(PermissionDenied, match="lacks the privilege delete"):
            await backend.delete(DB.id)
    async with by_key(elastic, seeded, documented(READING, "another")) as stranger:
        with pytest.raises(PermissionDenied, match=f"lacks the privilege read on the index {seeded}"):
            await stranger.check()
        with pytest.raises(PermissionDenied):
            await listed(stranger)
        assert isinstance(await one(stranger), PermissionDenied)


async def test_without_the_catalogue_only_reading_is_left(elastic: ElasticsearchServer, seeded: str):
    role = without(documented(READING, seeded), "read", "indices:data/read/mget*")
    async with by_key(elastic, seeded, role) as backend:
        access = await backend.check()
        assert not access.listing
        assert [each.partition(",")[0] for each in access.lacking] == [f"indices:data/read/search on {seeded}"]
        with pytest.raises(PermissionDenied):
            await listed(backend)
        assert isinstance(await one(backend), Value)


async def test_without_reading_only_the_catalogue_is_left(elastic: ElasticsearchServer, seeded: str):
    role = without(documented(READING, seeded), "read", "indices:data/read/search*")
    async with by_key(elastic, seeded, role) as backend:
        access = await backend.check()
        assert access.listing
        assert [each.partition(",")[0] for each in access.lacking] == [f"indices:data/read/mget on {seeded}"]
        assert set(await listed(backend)) == {DB.id}
        assert isinstance(await one(backend), PermissionDenied)


@pytest.mark.parametrize("login", [by_key, by_user], ids=["API key", "user"])
async def test_the_documented_role_for_writing_suffices(elastic: ElasticsearchServer, index: str, login: Any):
    made_as_documented(elastic, index)
    async with login(elastic, index, documented(WRITING, index)) as backend:
        await writes(backend)
        assert (await backend.check()).lacking == ()
        assert await listed(backend) == {}


@pytest.mark.parametrize("privilege", ["read", "index", "delete"])
async def test_without_any_part_of_it_something_cannot_be_written(
    elastic: ElasticsearchServer, seeded: str, privilege: str
):
    async with by_key(elastic, seeded, without(documented(WRITING, seeded), privilege)) as backend:
        with pytest.raises(PermissionDenied, match=f"lacks the privilege {privilege} on the index {seeded}"):
            await writes(backend)


async def test_the_documented_role_that_makes_the_index_suffices(elastic: ElasticsearchServer, index: str):
    async with by_key(elastic, index, documented(MAKING, index)) as backend:
        await writes(backend)
    by_hand = json.loads(next(block for block in blocks() if block.startswith("PUT")).partition("\n")[2])
    made = elastic.request("GET", f"{index}/_mapping")[index]["mappings"]
    assert made == json.loads(json.dumps(by_hand["mappings"]))


@pytest.mark.parametrize("number", [READING, WRITING], ids=["reading", "writing"])
async def test_who_may_not_make_the_index_is_told_which_request_to_run(
    elastic: ElasticsearchServer, index: str, number: int
):
    async with by_key(elastic, index, documented(number, index)) as backend:
        for attempt in (backend.check(), listed(backend)):
            with pytest.raises(BackendUnavailable, match=f"has no index {index}: run PUT /{index} with the mapping"):
                await attempt
        assert f"run PUT /{index}" in str(await one(backend))
        assert not isinstance(await one(backend), SecretMissing)


async def test_an_index_that_nobody_has_written_to_yet_is_told_and_not_taken_for_empty(
    elastic: ElasticsearchServer, index: str, writer: ElasticsearchBackend
):
    made_as_documented(elastic, index)
    async with by_key(elastic, index, documented(READING, index)) as backend:
        for attempt in (backend.check(), listed(backend)):
            with pytest.raises(BackendUnavailable, match="holds no secrets of Keyferry's: put the first one"):
                await attempt
        await writer.put(DB.id, b"v", {})
        assert (await backend.check()).lacking == ()


async def test_what_is_granted_while_it_runs_is_found_by_the_next_check(elastic: ElasticsearchServer, seeded: str):
    user = elastic.user(without(documented(READING, seeded), "read", "indices:data/read/mget*"))
    cluster = holding(elastic, username=user, password=PASSWORD)
    async with aclosing(store(elastic, seeded, BASIC, cluster=cluster)) as backend:
        assert not (await backend.check()).listing
        (role,) = elastic.request("GET", f"_security/user/{user}")[user]["roles"]
        elastic.request("PUT", f"_security/role/{role}", documented(READING, seeded))
        assert (await backend.check()).listing


async def test_a_refusal_of_a_read_names_the_login_and_is_an_answer(elastic: ElasticsearchServer, seeded: str):
    async with by_key(elastic, seeded, documented(READING, "another")) as backend:
        got = (await backend.fetch([DB, Ref("other")]))[Ref("other")]
    assert isinstance(got, SyncError)
    assert "the API key in Secret payments/es-login lacks the privilege read" in str(got)
