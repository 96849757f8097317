"""The thin layer over the official client: what is sent, what becomes of each kind of answer."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from keyferry.errors import KubeUnavailable
from keyferry.kube.client import APPLY, JSON, METADATA, Kube, Message, path
from keyferry.kube.errors import Gone, NotFound, Unauthorized
from keyferry.values import ApiServer
from tests.unit.kube.server import Answer, kube, told

pytestmark = pytest.mark.looptime
SECRET = path("v1", "secrets", "team", "es")


@pytest.mark.parametrize(
    ("at", "url", "what"),
    [
        (path("v1", "secrets"), "/api/v1/secrets", "secrets"),
        (path("v1", "secrets", "team", "es"), "/api/v1/namespaces/team/secrets/es", "secrets team/es"),
        (path("keyferry.dev/v1alpha1", "clustersecretstores", name="s", sub="status"), None, None),
        (
            path("v1", "serviceaccounts", "team", "sa", sub="token"),
            "/api/v1/namespaces/team/serviceaccounts/sa/token",
            None,
        ),
    ],
    ids=["all", "one", "cluster-scoped", "subresource"],
)
def test_a_place_is_a_path(at: Any, url: str | None, what: str | None):
    assert at.url == (url or "/apis/keyferry.dev/v1alpha1/clustersecretstores/s/status")
    assert what is None or at.what == what


async def test_a_request_says_who_asks_for_what_in_which_form():
    made, server = kube(told({"a": 1}))
    assert await made.send(
        "PATCH", SECRET, body={"b": 2}, content_type=APPLY, accept=METADATA, query={"force": "true"}
    ) == {"a": 1}
    (asked,) = server.asked
    assert (asked["method"], asked["url"]) == ("PATCH", "https://api/api/v1/namespaces/team/secrets/es?force=true")
    assert asked["headers"] == {
        "Accept": METADATA,
        "Content-Type": APPLY,
        "User-Agent": "keyferry",
        "authorization": "Bearer old",
    }
    assert asked["body"] == {"b": 2}


async def test_a_refusal_is_an_error_without_what_was_sent():
    made, _ = kube(told({"reason": "NotFound", "message": "canary-9f3b"}, 404))
    with pytest.raises(NotFound) as refused:
        await made.get(SECRET)
    assert str(refused.value) == "the API server answered 404 NotFound to GET secrets team/es"


@pytest.mark.parametrize(
    "broken", [aiohttp.ClientError("canary-9f3b"), OSError("canary-9f3b"), TimeoutError()], ids=repr
)
async def test_no_answer_is_an_error_that_names_the_request(broken: Exception):
    made, _ = kube(broken)
    with pytest.raises(KubeUnavailable) as failed:
        await made.get(SECRET)
    assert str(failed.value) == f"the API server does not answer GET secrets team/es: {type(broken).__name__}"


async def test_an_answer_that_takes_too_long_is_given_up_and_let_go():
    slow = told({}, takes=1000)
    made, _ = kube(slow)
    with pytest.raises(KubeUnavailable, match="TimeoutError"):
        await made.get(SECRET)
    assert asyncio.get_running_loop().time() == 30
    assert slow.released


@pytest.mark.parametrize("body", [b"<html>canary-9f3b</html>", b"", b"[]"])
async def test_a_good_answer_that_is_no_object_comes_from_no_api_server(body: bytes):
    made, _ = kube(Answer(200, body))
    with pytest.raises(KubeUnavailable) as failed:
        await made.get(SECRET)
    assert str(failed.value) == "what answers GET secrets team/es is no API server: its answer is no JSON object"


async def test_the_wait_for_a_connection_does_not_count_as_the_api_servers():
    made, _ = kube(*(told({}, takes=20) for _ in range(5)))
    assert await asyncio.gather(*(made.get(SECRET) for _ in range(5))) == [{}] * 5
    assert asyncio.get_running_loop().time() == 100


async def test_the_wait_for_a_connection_has_an_end():
    made, server = kube(*(told({}, takes=29) for _ in range(6)))
    answers = await asyncio.gather(*(made.get(SECRET) for _ in range(6)), return_exceptions=True)
    assert str(answers[-1]) == (
        "GET secrets team/es was not sent: the API server is so slow that no connection became free in 120 s"
    )
    assert answers[:-1] == [{}] * 5
    assert len(server.asked) == 5


async def test_a_gate_is_passed_when_there_is_a_connection_and_not_before():
    made, server = kube(told({}, takes=20), told({}))
    get = Message("GET", SECRET, None, JSON, JSON, {})
    passed: list[tuple[float, str]] = []

    def gate(request: str) -> None:
        passed.append((asyncio.get_running_loop().time(), request))
        if len(passed) > 1:
            raise KubeUnavailable("closed")

    first = asyncio.create_task(made.deliver(get, gate))
    await asyncio.sleep(0)
    with pytest.raises(KubeUnavailable, match="closed"):
        await made.deliver(get, gate)
    assert passed == [(0, "GET secrets team/es"), (20, "GET secrets team/es")]
    assert len(server.asked) == 1
    await first


async def test_a_failure_that_is_no_json_is_an_error_too():
    made, _ = kube(Answer(502, b"<html>canary-9f3b</html>"))
    with pytest.raises(KubeUnavailable) as failed:
        await made.get(SECRET)
    assert "canary" not in str(failed.value)


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://api"}}],
        "users": [{"name": "u", "user": {"token": "new"}}],
    }
    (tmp_path / "config").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))


@pytest.mark.usefixtures("kubeconfig")
async def test_a_spent_token_is_renewed_once():
    made, server = kube(told({}, 401), told({"a": 1}))
    assert await made.get(SECRET) == {"a": 1}
    assert [asked["headers"]["authorization"] for asked in server.asked] == ["Bearer old", "Bearer new"]


@pytest.mark.usefixtures("kubeconfig")
async def test_a_token_that_is_refused_again_is_an_error():
    made, server = kube(told({}, 401), told({}, 401), told({}))
    with pytest.raises(Unauthorized):
        await made.get(SECRET)
    assert len(server.asked) == 2


def event(type_: str, **object_: Any) -> bytes:
    return json.dumps({"type": type_, "object": object_}).encode()


async def watched(made: Kube, seconds: int = 290) -> list[str]:
    watch = made.watch(path("v1", "secrets"), "7", accept=METADATA, seconds=seconds, silence=90.0)
    return [each["type"] async for each in watch]


async def test_a_watch_tells_events_as_they_come_from_the_version_that_is_known():
    made, server = kube(Answer(body=event("ADDED") + b"\n" + event("BOOKMARK")))
    assert await watched(made) == ["ADDED", "BOOKMARK"]
    assert server.asked[0]["_request_timeout"].sock_read == 90.0  # silence ends it: nobody may be there any more
    assert "watch=1&resourceVersion=7&allowWatchBookmarks=true&timeoutSeconds=290" in server.asked[0]["url"]


@pytest.mark.parametrize(
    "body", [Answer(410, b'{"reason": "Gone"}'), Answer(body=event("ERROR", code=410))], ids=["at once", "later"]
)
async def test_a_version_that_is_too_old_is_gone(body: Answer):
    made, _ = kube(body)
    with pytest.raises(Gone):
        await watched(made)
    assert body.released


@pytest.mark.parametrize(
    "answer",
    [aiohttp.ClientError(), Answer(body=b"no json"), Answer(503, b"no json"), Answer(takes=1e6, body=b"")],
    ids=repr,
)
async def test_a_watch_that_breaks_is_an_error_that_can_be_mended(answer: Answer | Exception):
    made, _ = kube(answer)
    with pytest.raises(KubeUnavailable, match="the watch of secrets broke"):
        await watched(made)
    assert asyncio.get_running_loop().time() <= 320


@pytest.mark.parametrize("held", ["file", "data"])
def test_where_the_api_server_is_says_nothing_of_who_asks(tmp_path: Path, held: str):
    (tmp_path / "ca.crt").write_bytes(b"authority")
    made, server = kube()
    server.host = "https://api:6443/"
    server.ca_cert_data = "authority" if held == "data" else None
    server.ssl_ca_cert = str(tmp_path / "ca.crt") if held == "file" else None
    assert made.api_server() == ApiServer("https://api:6443", b"authority")


def test_without_an_authority_of_its_own_the_usual_ones_are_trusted():
    assert kube()[0].api_server().authority is None
