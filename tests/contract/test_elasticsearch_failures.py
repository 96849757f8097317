"""What stands where an Elasticsearch should be, or in front of one, and answers in its place."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from keyferry.backends.elasticsearch import node
from keyferry.backends.elasticsearch.backend import ElasticsearchBackend
from keyferry.errors import AuthFailed, BackendUnavailable, SecretTooLarge, SpecInvalid, SyncError, Throttled
from tests.contract.elasticsearch_stores import holding, listed, one, store
from tests.servers.elasticsearch_server import ElasticsearchServer

pytest_plugins = ["tests.contract.elasticsearch_fixtures"]
OWN = {"X-Elastic-Product": "Elasticsearch"}
Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    """A server of plain HTTP that answers everything so; its address."""
    server = web.Server(answer)
    runner = web.ServerRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def says(status: int, body: Any, headers: dict[str, str] | None = None, kind: str = "application/json") -> Answer:
    text = body if isinstance(body, str) else json.dumps(body)

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, text=text, content_type=kind, headers=headers)

    return answer


def refuses(status: int, kind: str) -> Answer:
    return says(status, {"error": {"type": kind, "reason": "canary"}, "status": status}, OWN)


def asking(elastic: ElasticsearchServer, url: str) -> "aclosing[ElasticsearchBackend]":
    cluster = holding(elastic, apiKey="id:canary")
    return aclosing(store(elastic, "secrets", url=url, spec={"caProvider": None}, cluster=cluster, timeout=3))


ODD: dict[str, tuple[Answer, type[SyncError], str]] = {
    "another program": (says(200, {"ok": True}), BackendUnavailable, "there is no Elasticsearch of version 8"),
    "a page": (says(200, "<h1>canary</h1>", kind="text/html"), BackendUnavailable, "there is no Elasticsearch"),
    "no deployment": (says(404, {"ok": False, "message": "canary"}), BackendUnavailable, "or no deployment with this "),
    "a proxy that refuses": (says(403, "canary", kind="text/html"), BackendUnavailable, "what answers is none (status"),
    "a proxy's bad gateway": (says(502, "canary", kind="text/html"), BackendUnavailable, "fails at List (status 502)"),
    "an older one": (refuses(400, "media_type_header_exception"), SpecInvalid, "Keyferry needs Elasticsearch 8 or 9"),
    "elsewhere": (says(302, "", {"Location": "http://169.254.169.254/"}), SpecInvalid, "sends requests on to another"),
    "elsewhere by its own": (says(301, "", OWN | {"Location": "/x"}), SpecInvalid, "sends requests on to another"),
    "too often": (says(429, "canary", {"Retry-After": "7"}), Throttled, "is asked too often (status 429)"),
    "a full queue": (refuses(429, "es_rejected_execution_exception"), Throttled, "is asked too often (status 429)"),
    "no master": (refuses(503, "master_not_discovered_exception"), BackendUnavailable, "fails at List (status 503)"),
    "an unknown error": (refuses(400, "canary_exception"), BackendUnavailable, "does not understand (status 400)"),
    "no JSON": (says(200, "{canary", OWN), BackendUnavailable, "does not understand (no answer of Elasticsearch's)"),
    "an unknown login": (refuses(401, "security_exception"), AuthFailed, "does not accept the API key in Secret"),
}


@pytest.mark.parametrize(("answer", "kind", "telling"), ODD.values(), ids=ODD)
async def test_an_odd_answer_is_told_without_its_words(
    elastic: ElasticsearchServer, answer: Answer, kind: type[SyncError], telling: str
):
    async with answering(answer) as url, asking(elastic, url) as backend:
        for attempt in (backend.check(), listed(backend)):
            with pytest.raises(kind) as failure:
                await attempt
            assert telling in str(failure.value)
            assert "canary" not in str(failure.value)
            assert (failure.value.__cause__, failure.value.__context__) == (None, None)
        assert type(await one(backend)) is type(failure.value)


async def test_how_long_to_wait_is_passed_on(elastic: ElasticsearchServer):
    async with answering(ODD["too often"][0]) as url, asking(elastic, url) as backend:
        told = await one(backend)
    assert isinstance(told, Throttled)
    assert told.retry_after == 7


async def test_a_list_of_a_part_of_the_shards_is_not_believed(elastic: ElasticsearchServer):
    part = {"_shards": {"total": 2, "failed": 1}, "hits": {"hits": []}}
    async with answering(says(200, part, OWN)) as url, asking(elastic, url) as backend:
        with pytest.raises(BackendUnavailable, match="shards of the index secrets are not available"):
            await listed(backend)


async def test_a_warning_of_the_servers_is_nobodys(elastic: ElasticsearchServer, recwarn: pytest.WarningsRecorder):
    async with (
        answering(says(200, {"docs": []}, OWN | {"Warning": '299 Elasticsearch-8 "canary"'})) as url,
        asking(elastic, url) as backend,
    ):
        assert "holds no secrets of Keyferry's" in str(await one(backend))
    assert len(recwarn) == 0


async def test_an_answer_that_breaks_off_is_told_and_asked_for_once(elastic: ElasticsearchServer):
    asked = 0

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        response = web.StreamResponse(headers=OWN | {"Content-Length": "1000", "Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b'{"docs": [')
        assert request.transport
        request.transport.abort()
        return response

    async with answering(answer) as url, asking(elastic, url) as backend:
        assert "breaks off" in str(await one(backend))
    assert asked == 1


async def test_an_answer_without_end_is_not_taken_into_memory(elastic: ElasticsearchServer):
    sent = 0

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers=OWN | {"Content-Type": "application/json"})
        await response.prepare(request)
        while sent < 4 * node.LARGEST_ANSWER:
            await response.write(b" " * 1024 * 1024)
            sent += 1024 * 1024
        return response

    async with answering(answer) as url, asking(elastic, url) as backend:
        got = await one(backend)
    assert isinstance(got, SecretTooLarge)
    assert sent < 2 * node.LARGEST_ANSWER
