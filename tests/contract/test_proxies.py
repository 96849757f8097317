"""A proxy on the way to each backend: all of a store's connections go through it, and what it does is told."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from keyferry.api.store import StoreProxy
from keyferry.backends import route
from keyferry.backends.base import Backend, Catalogue, Heard, Hints
from keyferry.errors import AuthFailed, BackendUnavailable, CredentialsMissing, SpecInvalid
from keyferry.settings import Settings
from keyferry.values import Ref, Scope, Value
from tests.contract.aws_stores import store as on_aws
from tests.contract.behind import PLACES, Behind, one, said, through
from tests.servers import certificates
from tests.standins.aws import AwsStandIn
from tests.standins.connect_proxy import PASSWORD, USER, ConnectProxy, connect_proxy
from tests.standins.tcp_proxy import proxy_before

AT_ONCE = 1.0  # seconds of a store that need not be patient


@pytest.fixture(params=sorted(PLACES))
async def behind(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Behind]:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    async with PLACES[request.param](tmp_path, monkeypatch) as place:
        yield place


@pytest.fixture
async def proxy(behind: Behind) -> AsyncIterator[ConnectProxy]:
    async with connect_proxy(behind.ways) as running:
        yield running


async def everything(backend: Backend, ref: Ref) -> None:
    """Ask for all that a store asks for: login, check, value, list, and what tells of changes."""
    await backend.check()
    assert isinstance(await one(backend, ref), Value)
    assert isinstance(backend, Catalogue)
    assert [entry async for entry in backend.entries(Scope())]
    if isinstance(backend, Hints) and (words := backend.hints()):
        async with aclosing(words), asyncio.timeout(10):
            assert await anext(words) is Heard.NOTHING


async def test_all_of_a_store_goes_through_its_proxy(behind: Behind, proxy: ConnectProxy):
    async with aclosing(through(behind, proxy)) as backend:
        await everything(backend, behind.ref)
    assert set(proxy.asked) == set(behind.ways)  # which lead nowhere without it


async def test_a_store_without_a_proxy_does_not_use_that_of_another(behind: Behind, proxy: ConnectProxy):
    async with aclosing(through(behind, proxy)) as backend:
        await everything(backend, behind.ref)
        proxy.asked.clear()
        async with aclosing(behind.make(timeout=AT_ONCE)) as alone:
            assert isinstance(await one(alone, behind.ref), BackendUnavailable)
    assert proxy.asked == []


async def test_the_proxy_of_the_environment_is_used_by_stores_that_name_none(
    behind: Behind, proxy: ConnectProxy, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HTTPS_PROXY", f"http://{USER}:p%40ss%3Aword%2Fcanary@{proxy.host}")
    async with aclosing(behind.make()) as backend:
        await everything(backend, behind.ref)
    assert set(proxy.asked) == set(behind.ways)


async def test_the_environment_says_who_needs_no_proxy(
    behind: Behind, proxy: ConnectProxy, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    text = await said(behind.make(timeout=AT_ONCE), behind.ref, BackendUnavailable)
    assert "proxy" not in text
    assert proxy.heads == []


async def test_a_stores_own_proxy_counts_more_than_the_environment(
    behind: Behind, proxy: ConnectProxy, monkeypatch: pytest.MonkeyPatch
):
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):  # gRPC reads the latter only
        monkeypatch.setenv(name, "127.0.0.1")
    async with aclosing(through(behind, proxy)) as backend:
        await everything(backend, behind.ref)
    assert set(proxy.asked) == set(behind.ways)


async def test_a_wrong_login_is_told_by_its_secret_and_not_shown(behind: Behind, proxy: ConnectProxy):
    login = {"username": USER.encode(), "password": b"another-canary"}
    text = await said(through(behind, proxy, login=login), behind.ref, AuthFailed)
    assert f"the proxy {proxy.host} does not accept the login in Secret payments/proxy (status 407)" in text
    assert proxy.asked == []


async def test_a_login_that_is_lacking_is_told(behind: Behind, proxy: ConnectProxy):
    backend = behind.make(proxy=StoreProxy(url=proxy.url))
    text = await said(backend, behind.ref, AuthFailed)
    assert f"the proxy {proxy.host} wants a login: name a Secret" in text


@pytest.mark.parametrize(
    ("status", "telling"),
    [(403, "lets nobody through to"), (502, "cannot reach")],
)
async def test_a_proxy_that_leads_there_not_is_told(behind: Behind, proxy: ConnectProxy, status: int, telling: str):
    proxy.answers = status
    text = await said(through(behind, proxy), behind.ref, BackendUnavailable)
    assert f"the proxy {proxy.host} {telling} 127.0.0.1:" in text
    assert text.endswith(f"(status {status})")


async def test_a_proxy_that_is_not_there_is_told(behind: Behind, proxy: ConnectProxy):
    await proxy.down()
    text = await said(through(behind, proxy), behind.ref, BackendUnavailable)
    assert f"cannot connect to the proxy {proxy.host} on the way to 127.0.0.1:" in text


async def test_a_proxy_that_says_nothing_costs_the_stores_timeout(behind: Behind, proxy: ConnectProxy):
    proxy.silent = True
    began = asyncio.get_running_loop().time()
    text = await said(through(behind, proxy, timeout=2 * AT_ONCE), behind.ref, BackendUnavailable)
    assert asyncio.get_running_loop().time() - began < 4 * AT_ONCE
    assert f"does not answer in time through the proxy {proxy.host}" in text


async def test_a_proxy_that_leads_to_somebody_else_finds_out_nothing(
    behind: Behind, proxy: ConnectProxy, tmp_path: Path
):
    (folder := tmp_path / "another").mkdir()
    certificates.write(folder)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "apiserver.crt", folder / "apiserver.key")
    async with connect_proxy({}) as heard, proxy_before(heard.port, tls) as somebody:
        proxy.ways = dict.fromkeys(proxy.ways, somebody.port)
        answer = await one(backend := through(behind, proxy), behind.ref)
        await backend.aclose()
        assert isinstance(answer, BackendUnavailable)
        assert re.search("certificate is (not trusted|of an authority that is not trusted)", str(answer))
        assert heard.heads == []


async def test_a_tenant_uses_no_proxy_that_was_not_allowed(behind: Behind, proxy: ConnectProxy):
    backend = through(behind, proxy, endpoint_allowed=lambda url: url != proxy.url)
    text = await said(backend, behind.ref, SpecInvalid)
    assert text.endswith(
        f"spec.proxy.url: this store may not send requests to {proxy.url}; whoever runs the operator can allow it with "
        f"--allow-endpoint={proxy.url}"
    )
    assert proxy.heads == []


async def test_what_has_no_tls_does_not_go_through_a_proxy(aws: AwsStandIn):
    ref = Ref(aws.put("db", "v"))
    text = await said(on_aws(aws, proxy=StoreProxy(url="http://127.0.0.1:9")), ref, SpecInvalid)
    assert text == f"spec.proxy: {aws.url} is asked without TLS, so that the proxy would read along: use https"
    assert aws.calls.count() == 0


@pytest.mark.parametrize(
    ("login", "telling"),
    [
        ({"username": b"a"}, "has no key password"),
        ({"username": b"a:b", "password": b"p"}, "payments/proxy, key username cannot be part of a proxy's login"),
        ({"username": b"a", "password": "canařy".encode()}, "key password cannot be part of a proxy's login"),
        ({"username": b"a", "password": b"canary\r\nHost: x"}, "key password cannot be part of a proxy's login"),
    ],
    ids=["half", "colon", "not ascii", "two lines"],
)
async def test_what_is_no_login_is_told_by_secret_and_key_and_not_shown(
    behind: Behind, proxy: ConnectProxy, login: dict[str, bytes], telling: str
):
    assert telling in await said(through(behind, proxy, login=login), behind.ref, CredentialsMissing)


def test_an_operator_allows_a_proxy_as_it_allows_an_endpoint():
    assert not Settings().endpoint_allowed("http://proxy.example:3128")
    assert Settings(allow_endpoints=("http://proxy.example:3128",)).endpoint_allowed("http://proxy.example:3128/")


def test_no_login_is_shown():
    assert "canary" not in repr(route.Route(route.Proxy("http://p:3128", USER, PASSWORD, "the login in Secret a/b")))
