"""Every login to Elasticsearch, end to end against a real one: what it takes, and what it says when it fails."""

import asyncio
import base64
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from keyferry.backends.elasticsearch.backend import ElasticsearchBackend
from keyferry.errors import AuthFailed, BackendUnavailable, CredentialsMissing, SpecInvalid, SyncError
from keyferry.settings import Settings
from keyferry.values import StoreKey, Value
from tests.contract.elasticsearch_stores import BASIC, CA, DB, ENCRYPTION_KEY, KEY, LOGIN, WRITES, holding, one, store
from tests.controlplane import credentials
from tests.servers.elasticsearch_server import PASSWORD, ElasticsearchServer, allowing
from tests.standins.tcp_proxy import TcpProxy

pytest_plugins = ["tests.contract.elasticsearch_fixtures"]
HOUR = 3600  # seconds
WHERE = f"Secret payments/{LOGIN}"


@pytest.fixture
async def seeded(index: str, writer: ElasticsearchBackend) -> str:
    """An index with a secret in it."""
    await writer.put(DB.id, b"v", {})
    return index


async def reads(backend: ElasticsearchBackend) -> bool:
    await backend.check()
    return isinstance(await one(backend), Value)


async def said(backend: ElasticsearchBackend, kind: type[SyncError] = AuthFailed) -> str:
    """What a failing store is told as, by `check` and by every answer alike."""
    with pytest.raises(kind) as failure:
        await backend.check()
    answer = await one(backend)
    assert isinstance(answer, kind)
    assert str(answer).partition(": ")[2] == str(failure.value).partition(": ")[2]
    return str(answer)


def role(index: str) -> dict[str, Any]:
    return allowing(index, "read")


@pytest.mark.parametrize("form", ["encoded", "id:api_key"])
@pytest.mark.parametrize("end", ["", "\n"], ids=["plain", "line end"])
async def test_an_api_key_logs_in(elastic: ElasticsearchServer, seeded: str, form: str, end: str):
    encoded = elastic.key(role(seeded)).encoded
    word = encoded if form == "encoded" else base64.b64decode(encoded).decode()
    async with aclosing(store(elastic, seeded, cluster=holding(elastic, apiKey=word + end))) as backend:
        assert await reads(backend)


@pytest.mark.parametrize("named", ["username", "usernameKey"])
async def test_a_user_logs_in(elastic: ElasticsearchServer, seeded: str, named: str):
    user = elastic.user(role(seeded))
    auth = BASIC if named == "usernameKey" else {**BASIC, "usernameKey": None, "username": user}
    cluster = holding(elastic, username=f"{user}\n", password=f"{PASSWORD}\n")
    async with aclosing(store(elastic, seeded, auth, cluster=cluster)) as backend:
        assert await reads(backend)


async def test_a_key_that_was_invalidated_is_told_even_while_it_is_used(elastic: ElasticsearchServer, seeded: str):
    key = elastic.key(role(seeded))
    async with aclosing(store(elastic, seeded, cluster=holding(elastic, apiKey=key.encoded))) as backend:
        assert await reads(backend)
        elastic.invalidate(key)
        text = await said(backend)
    assert text.endswith(f"does not accept the API key in {WHERE}: the key was invalidated: make another")
    assert key.encoded not in text


@pytest.mark.parametrize("word", ["", " \n", "two words", "klíč"])
async def test_what_is_no_api_key_at_all_is_sent_to_nobody(elastic: ElasticsearchServer, index: str, word: str):
    async with aclosing(store(elastic, index, url="https://127.0.0.1:1", cluster=holding(elastic, apiKey=word))) as no:
        assert f"{WHERE}, key apiKey holds no API key" in str(await one(no))


async def test_a_secret_that_is_not_there_is_named_and_used_when_it_is(elastic: ElasticsearchServer, seeded: str):
    cluster = holding(elastic)
    async with aclosing(store(elastic, seeded, cluster=cluster)) as backend:
        assert f"Secret {LOGIN} has no key apiKey" in str(await one(backend))
        cluster.secrets = holding(elastic, apiKey=elastic.key(role(seeded)).encoded).secrets
        assert await reads(backend)


async def test_another_key_than_the_indexs_opens_nothing(elastic: ElasticsearchServer, seeded: str):
    api_key = elastic.key(allowing(seeded, *WRITES)).encoded
    cluster = holding(elastic, key=b"canary" * 8, apiKey=api_key)
    async with aclosing(store(elastic, seeded, cluster=cluster)) as backend:
        text = await said(backend)
        assert text.startswith(f"Secret payments/{KEY}, key key, does not hold the key that the index {seeded} of ")
        for attempt in (backend.put("app/other", b"v", {}), backend.delete(DB.id)):
            with pytest.raises(AuthFailed):
                await attempt
    assert "canary" not in text


async def test_a_short_key_is_told(elastic: ElasticsearchServer, index: str):
    async with aclosing(store(elastic, index, cluster=holding(elastic, key=b"k" * 31, apiKey="a:b"))) as backend:
        with pytest.raises(CredentialsMissing, match=r"has fewer than 32 characters.*openssl rand"):
            await backend.check()


async def test_silence_is_told_within_the_timeout(elastic: ElasticsearchServer, seeded: str, proxy: TcpProxy):
    url = f"https://127.0.0.1:{proxy.port}"
    async with aclosing(store(elastic, seeded, url=url, timeout=1)) as backend:
        with proxy.silence():
            began = time.monotonic()
            assert "does not answer in time" in str(await one(backend))
            assert time.monotonic() - began < 1
        assert await reads(backend)


async def test_an_authority_that_is_not_trusted_is_told_and_read_anew(
    elastic: ElasticsearchServer, seeded: str, tmp_path: Path
):
    cluster = holding(elastic, apiKey=elastic.key(role(seeded)).encoded)
    right = cluster.secrets
    cluster.secrets = {**right, CA: {"ca.crt": credentials.write(tmp_path).ca.read_bytes()}}
    async with aclosing(store(elastic, seeded, cluster=cluster)) as backend:
        text = await said(backend, BackendUnavailable)
        assert "its certificate is of an authority that is not trusted: name the right one in caProvider" in text
        cluster.secrets = right
        with pytest.raises(BackendUnavailable):
            await backend.check()
        assert await reads(backend)


async def test_without_a_ca_only_what_the_operator_trusts_is_trusted(elastic: ElasticsearchServer, seeded: str):
    async with aclosing(store(elastic, seeded, spec={"caProvider": None})) as backend:
        assert "an authority that is not trusted" in await said(backend, BackendUnavailable)


async def test_what_looks_like_an_address_and_is_none_is_told(elastic: ElasticsearchServer, index: str):
    async with aclosing(store(elastic, index, url="https://127.1:9200")) as backend:
        assert "addresses: 127.1:9200 is no address" in await said(backend, SpecInvalid)


async def test_what_is_no_certificate_is_told(elastic: ElasticsearchServer, seeded: str):
    cluster = holding(elastic, apiKey="a:b")
    cluster.secrets = {**cluster.secrets, CA: {"ca.crt": b"canary"}}
    async with aclosing(store(elastic, seeded, cluster=cluster)) as backend:
        text = await said(backend, CredentialsMissing)
    assert "caProvider: what it names holds no certificates in PEM" in text


async def test_plain_http_to_a_server_with_tls_is_told(elastic: ElasticsearchServer, seeded: str):
    async with aclosing(store(elastic, seeded, url=f"http://127.0.0.1:{elastic.port}")) as backend:
        assert "breaks off" in await said(backend, BackendUnavailable)


def cloud_id(address: str) -> str:
    """As a deployment's page shows it; of an address without the name of a cluster before it."""
    cluster, _, domain = address.partition(".")
    return "secrets:" + base64.b64encode(f"{domain}${cluster}$kibana".encode()).decode()


async def test_a_cloud_id_is_the_address_in_it(elastic: ElasticsearchServer, seeded: str):
    spec = {"addresses": None, "cloudId": cloud_id(f"127.0.0.1:{elastic.port}")}
    async with aclosing(store(elastic, seeded, spec=spec)) as backend:
        assert await reads(backend)


async def test_a_cloud_id_of_no_deployment_is_told(elastic: ElasticsearchServer, seeded: str):
    spec = {"addresses": None, "cloudId": cloud_id("0123.nowhere.invalid")}
    async with aclosing(store(elastic, seeded, spec=spec, timeout=3)) as backend:
        assert "cannot connect to 0123.nowhere.invalid:443" in await said(backend, BackendUnavailable)


@pytest.mark.parametrize("word", ["secrets", "secrets:!", "secrets:bm8=", "secrets:" + "A" * 8])
async def test_what_is_no_cloud_id_is_told(elastic: ElasticsearchServer, index: str, word: str):
    async with aclosing(store(elastic, index, spec={"addresses": None, "cloudId": word})) as backend:
        assert "cloudId: this is no Cloud ID: copy it" in await said(backend, SpecInvalid)


async def test_a_tenant_may_use_elastic_cloud_and_what_was_allowed(elastic: ElasticsearchServer, seeded: str):
    allowed = Settings(allow_endpoints=(elastic.url,)).endpoint_allowed
    async with aclosing(store(elastic, seeded, endpoint_allowed=allowed)) as backend:
        assert await reads(backend)
    for spec in (
        {"addresses": [elastic.url, "https://169.254.169.254"]},
        {"addresses": None, "cloudId": cloud_id("metadata.google.internal:80")},
    ):
        async with aclosing(store(elastic, seeded, spec=spec, endpoint_allowed=allowed)) as backend:
            assert "this store may not send requests to https://" in await said(backend, SpecInvalid)
    own = cloud_id("0123456789abcdef.eu-central-1.aws.cloud.es.io")
    async with aclosing(
        store(elastic, seeded, spec={"addresses": None, "cloudId": own}, endpoint_allowed=allowed, timeout=1)
    ) as backend:
        assert "may not send" not in await said(backend, BackendUnavailable)


@pytest.mark.parametrize(
    "fields",
    [{"name": "same", "tags": "same"}, {"nam": "x"}, {"name": "_id"}, {"name": "a.b"}, {"value": "tags"}],
    ids=["twice", "unknown", "Elasticsearch's own", "with a dot", "another's"],
)
async def test_names_of_fields_that_cannot_be_are_told(
    elastic: ElasticsearchServer, index: str, fields: dict[str, str]
):
    async with aclosing(store(elastic, index, spec={"fields": fields})) as backend:
        assert "spec.provider.elasticsearch.fields" in await said(backend, SpecInvalid)


@pytest.fixture
async def nodes(elastic: ElasticsearchServer, proxy: TcpProxy) -> list[str]:
    """A node that is there, and one that is not."""
    return [f"https://127.0.0.1:{proxy.port}", "https://127.0.0.1:1"]


async def test_another_node_is_asked_where_one_cannot_be_reached(
    elastic: ElasticsearchServer, seeded: str, nodes: list[str], proxy: TcpProxy
):
    async with aclosing(store(elastic, seeded, spec={"addresses": nodes})) as backend:
        for _ in range(8):
            assert isinstance(await one(backend), Value)
        await proxy.down()
        assert "cannot connect to" in await said(backend, BackendUnavailable)
        await proxy.up()
        assert await reads(backend)


async def test_another_node_is_asked_where_one_is_silent(
    elastic: ElasticsearchServer, seeded: str, nodes: list[str], proxy: TcpProxy
):
    async with aclosing(store(elastic, seeded, spec={"addresses": [nodes[0], elastic.url]}, timeout=4)) as backend:
        with proxy.silence():
            for _ in range(4):
                assert isinstance(await one(backend), Value)


async def test_a_password_may_be_any_text(elastic: ElasticsearchServer, seeded: str):
    user = elastic.user(role(seeded))
    elastic.request("POST", f"_security/user/{user}/_password", {"password": "žluťoučký: kůň"})
    cluster = holding(elastic, username=user, password="žluťoučký: kůň")
    async with aclosing(store(elastic, seeded, BASIC, cluster=cluster, store=StoreKey("payments", "own"))) as backend:
        assert await reads(backend)


async def test_the_encryption_key_may_end_with_a_line_end(elastic: ElasticsearchServer, seeded: str):
    api_key = elastic.key(role(seeded)).encoded
    cluster = holding(elastic, key=ENCRYPTION_KEY + b"\r\n", apiKey=api_key)
    async with aclosing(store(elastic, seeded, cluster=cluster)) as backend:
        assert await reads(backend)


async def test_what_is_under_way_when_a_store_closes_ends(elastic: ElasticsearchServer, seeded: str, proxy: TcpProxy):
    backend = store(elastic, seeded, url=f"https://127.0.0.1:{proxy.port}")
    assert await reads(backend)
    with proxy.silence():
        asked = asyncio.create_task(one(backend))
        await asyncio.sleep(0.05)
        await backend.aclose()
        assert isinstance(await asked, BackendUnavailable)


async def test_what_comes_after_a_store_closed_opens_no_connection_again(elastic: ElasticsearchServer, seeded: str):
    backend = store(elastic, seeded)
    index = await backend._index.get()
    await backend.aclose()
    with pytest.raises(BackendUnavailable, match="the store changed in the meantime"):
        await index.read([DB.id])
