import pytest

from keyferry.backends.elasticsearch.node import proxy_of, seconds


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def test_the_environments_proxy_is_on_the_way(environment: pytest.MonkeyPatch):
    assert proxy_of("https://es.example:9200") is None
    environment.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert proxy_of("https://es.example:9200") == "http://proxy:3128"
    assert proxy_of("http://es.example:9200") is None
    environment.setenv("NO_PROXY", "other.example,.example")
    assert proxy_of("https://es.example:9200") is None


@pytest.mark.parametrize(("told", "wait"), [("7", 7.0), (" 7 ", 7.0), (None, None), ("", None), ("soon", None)])
def test_how_long_to_wait_is_told_in_seconds(told: str | None, wait: float | None):
    assert seconds(told) == wait
