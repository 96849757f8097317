"""A store's proxy on a real cluster: its login in a Secret, edits that count from the next call on, nothing escaped."""

import pytest

from tests.cluster.canaries import Canaries, escaped
from tests.cluster.manifests import external_secret, secret, secret_store
from tests.cluster.world import world_of
from tests.contract.infisical_stores import UNIVERSAL, client
from tests.standins.connect_proxy import USER, proxy_in_thread
from tests.standins.infisical import InfisicalStandIn

NOWHERE = "127.0.0.1:1"  # nobody listens there: what arrives has come through a proxy
SOON = 10.0  # seconds, where the interval is an hour
CA = {"type": "Secret", "name": "infisical-login", "key": "ca.crt"}


@pytest.fixture(scope="module")
def world(plane, crds, tmp_path_factory, reach):
    """An operator whose tenants may ask this machine, also as a proxy."""
    allowed = ["https://127.0.0.1:*", "http://127.0.0.1:*"]
    values = {"log": {"level": "debug", "format": "json"}, "allowedEndpoints": allowed}
    with world_of(plane, tmp_path_factory.mktemp("operator"), values, reach=reach) as made:
        made.start()
        yield made


@pytest.fixture
def infisical():
    with InfisicalStandIn() as standin:
        yield standin


@pytest.fixture
def namespace(world, infisical):
    made = world.namespace()
    world.apply(secret(made, CA["name"], {**client(infisical), "ca.crt": infisical.ca.decode()}))
    yield made
    world.clear(made)


def behind(world, namespace, url, reason):
    """The team's store with that proxy says this; its message."""
    auth = {**UNIVERSAL, "secretRef": {"name": CA["name"], "key": "clientSecret"}}
    place = {"siteUrl": f"https://{NOWHERE}", "project": "shop", "environment": "prod", "caProvider": CA}
    proxy = {"url": url, "secretRef": {"name": "proxy"}}
    world.apply(secret_store(namespace, "own", {"infisical": {**place, "auth": auth}}, proxy=proxy))
    return world.await_ready(namespace, "own", reason, kind="SecretStore").message


def login(world, namespace, password):
    world.apply(secret(namespace, "proxy", {"username": USER, "password": password}))


def test_another_login_and_another_proxy_are_used_once_they_are_written(world, namespace, infisical):
    canaries = Canaries()
    infisical.put("db", canaries.word("value"))
    ways = {NOWHERE: infisical.wire.port}
    with proxy_in_thread(ways) as proxy, proxy_in_thread(ways) as other:
        proxy.login = other.login = f"{USER}:{canaries.word('password')}"
        login(world, namespace, canaries.word("wrong password"))
        said = behind(world, namespace, proxy.url, "AuthFailed")
        assert f"the proxy {proxy.host} does not accept the login in Secret {namespace}/proxy (status 407)" in said

        login(world, namespace, canaries.word("password"))
        world.await_ready(namespace, "own", "Ready", kind="SecretStore", within=SOON)
        world.apply(external_secret(namespace, store="own", kind="SecretStore"))
        world.await_secret(namespace, "db", {"value": canaries.word("value").encode()})
        assert set(proxy.asked) == {NOWHERE}

        assert other.asked == []
        behind(world, namespace, other.url, "Ready")
        world.eventually(lambda: other.asked, within=SOON)
    assert escaped(world, canaries) == {}


def test_a_proxy_that_the_operator_does_not_allow_is_told(world, namespace):
    login(world, namespace, "x")
    said = behind(world, namespace, "http://proxy.example:3128", "SpecInvalid")
    assert "spec.proxy.url: this store may not send requests to http://proxy.example:3128" in said
    assert "--allow-endpoint=http://proxy.example:3128" in said
