"""Which proxy is on the way to an address, as the environment or a store says."""

import pytest

from keyferry.api.providers import Provider
from keyferry.api.store import StoreProxy
from keyferry.backends import registry
from keyferry.backends.route import METADATA, Proxy, Route, sparing_metadata
from keyferry.errors import SpecInvalid
from tests.contract.context import context

PROXY = "http://proxy.example:3128"
OWN = Route(Proxy("http://own.example:3128"))


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("said", "url", "found"),
    [
        ({}, "https://a.example", None),
        ({"HTTPS_PROXY": PROXY}, "https://a.example", PROXY),
        ({"https_proxy": f"{PROXY}/"}, "https://a.example", PROXY),
        ({"HTTPS_PROXY": "proxy.example:3128"}, "https://a.example", PROXY),
        ({"HTTPS_PROXY": PROXY}, "http://a.example", None),
        ({"HTTP_PROXY": PROXY}, "https://a.example", None),
        ({"HTTP_PROXY": PROXY}, "http://a.example", PROXY),
        ({"ALL_PROXY": PROXY}, "https://a.example", PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "a.example"}, "https://a.example:6443", None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": ".example"}, "https://a.example", None),
        ({"HTTPS_PROXY": PROXY, "no_proxy": "other.example"}, "https://a.example", PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, "https://a.example", None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "x, 10.0.0.0/8"}, "https://10.1.2.3:6443", None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8"}, "https://11.1.2.3:6443", PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "fd00::/8"}, "https://[fd00:1::2]:6443", None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8,what/ever"}, "https://a.example", PROXY),
    ],
)
def test_the_environment_names_the_proxy_and_who_needs_none(
    environment: pytest.MonkeyPatch, said: dict[str, str], url: str, found: str | None
):
    for name, text in said.items():
        environment.setenv(name, text)
    proxy = Route().to(url)
    assert (proxy.address if proxy else None) == found


def test_a_login_in_the_environment_is_used_and_not_shown(environment: pytest.MonkeyPatch):
    environment.setenv("HTTPS_PROXY", "http://u%40x:p%3Acanary@proxy.example:3128")
    proxy = Route().to("https://a.example")
    assert proxy is not None
    assert (proxy.user, proxy.password, proxy.name) == ("u@x", "p:canary", "proxy.example:3128")
    assert proxy.url == "http://u%40x:p%3Acanary@proxy.example:3128"
    assert "canary" not in repr(proxy)


def test_what_has_no_tls_does_not_go_through_a_stores_proxy():
    with pytest.raises(SpecInvalid, match="the proxy would read along"):
        OWN.to("http://vault.example:8200")
    assert OWN.to("https://vault.example:8200") is OWN.own


def test_a_failure_that_has_nothing_to_do_with_the_proxy_is_not_put_down_to_it(environment: pytest.MonkeyPatch):
    assert OWN.fault(OSError("no route to host"), "Read", "https://a.example") is None
    assert Route().fault(TimeoutError(), "Read", "https://a.example") is None


def test_nobody_who_hands_out_credentials_is_asked_through_a_proxy(environment: pytest.MonkeyPatch):
    said = {"HTTP_PROXY": PROXY, "NO_PROXY": "a.example"}
    sparing_metadata(said)
    for name, text in said.items():
        environment.setenv(name, text)
    spared = [*METADATA, "localhost", "127.0.0.1", "metadata.google.internal", "a.example"]
    hosts = [f"[{host}]" if ":" in host else host for host in spared]
    assert [host for host in hosts if Route().to(f"http://{host}/latest")] == []
    assert Route().to("http://b.example") is not None


@pytest.mark.parametrize("said", [{}, {"HTTPS_PROXY": PROXY, "no_proxy": "*"}], ids=["no proxy", "nobody needs one"])
def test_an_environment_that_needs_nothing_is_left_alone(said: dict[str, str]):
    before = dict(said)
    sparing_metadata(said)
    assert said == before


def test_a_provider_that_uses_no_proxy_refuses_one():
    sql = {"sql": {"database": "app", "encryption": {"keySecretRef": {"name": "sql", "key": "key"}}}}
    with pytest.raises(SpecInvalid, match=r"spec\.proxy: leave proxy out: sql uses none"):
        registry.create(Provider.model_validate(sql), context(proxy=StoreProxy(url=PROXY)))
