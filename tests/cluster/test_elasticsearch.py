"""A real Elasticsearch behind a real Kubernetes API: values that travel, and days of failure."""

import asyncio
import contextlib
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from keyferry.backends.elasticsearch.backend import ElasticsearchBackend
from tests.cluster.canaries import Canaries, escaped
from tests.cluster.manifests import external_secret, secret, secret_store, shared_store
from tests.cluster.mode import Reach, SharedStore
from tests.cluster.world import World, world_of
from tests.contract.elasticsearch_stores import WRITES, holding, store
from tests.controlplane import ControlPlane
from tests.servers import elasticsearch_server
from tests.servers.elasticsearch_server import PASSWORD, ElasticsearchFailed, ElasticsearchServer, allowing, unique
from tests.standins.tcp_proxy import TcpProxy

SOON = 10.0  # seconds, where the interval is an hour
LOGIN = "elasticsearch"


@dataclass(slots=True)
class Wire:
    """The way from the operator to Elasticsearch, which can be cut. Its event loop runs in a thread."""

    proxy: TcpProxy
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.proxy.port}"

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    @contextmanager
    def down(self) -> Iterator[None]:
        self.do(self.proxy.down())
        try:
            yield
        finally:
            self.do(self.proxy.up())

    @contextmanager
    def silence(self) -> Iterator[None]:
        async def enter(silence: Any) -> None:
            silence.__enter__()

        async def leave(silence: Any) -> None:
            silence.__exit__(None, None, None)

        silence = self.proxy.silence()
        self.do(enter(silence))
        try:
            yield
        finally:
            self.do(leave(silence))


@contextmanager
def wire_to(port: int) -> Iterator[Wire]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="wire", daemon=True)
    thread.start()
    wire = Wire(TcpProxy(port), loop)
    wire.do(wire.proxy.up())
    try:
        yield wire
    finally:
        wire.do(wire.proxy.down())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@dataclass(slots=True)
class Team:
    """A namespace, an index, and a shared store by tags whose key may only read."""

    world: World
    elastic: ElasticsearchServer
    wire: Wire
    index: str
    namespace: str
    store: SharedStore
    canaries: Canaries

    def put(self, key: str, value: str, namespace: str = "") -> None:
        """As `keyferry secret put` does."""
        owner = namespace or self.namespace
        tags = {"prefix": "acme", "namespace": owner, "key": key}
        self.on(lambda backend: backend.put(f"acme/{owner}/{key}", value.encode(), tags))

    def on(self, work: Callable[[ElasticsearchBackend], Coroutine[Any, Any, Any]]) -> None:
        """Do this with a store that may write."""

        async def run() -> None:
            api_key = self.elastic.key(allowing(self.index, *WRITES)).encoded
            cluster = holding(self.elastic, key=self.word("encryption").encode(), apiKey=api_key)
            async with aclosing(store(self.elastic, self.index, cluster=cluster)) as backend:
                await work(backend)

        asyncio.run(run())

    def word(self, name: str) -> str:
        return self.canaries.word(name)

    def place(self, **more: Any) -> dict[str, Any]:
        ca = {"type": "Secret", "name": LOGIN, "key": "ca.crt"}
        encryption = {"keySecretRef": {"name": LOGIN, "key": "encryption"}}
        return {"addresses": [self.wire.url], "index": self.index, "caProvider": ca, "encryption": encryption, **more}

    def logins(self, **more: str) -> None:
        """The Secret with all that a store of this namespace may need."""
        held = {"ca.crt": self.elastic.ca.read_text(), "encryption": self.word("encryption"), **more}
        self.world.apply(secret(self.namespace, LOGIN, held))

    def declare(self, name: str = "db", **spec: Any) -> None:
        data = [{"secretKey": "password", "remoteRef": {"key": name}}]
        self.world.apply(external_secret(self.namespace, name, store=self.store, data=data, **spec))

    def holds(self, name: str = "db", *, within: float = 30.0, **data: str) -> None:
        coded = {key: text.encode() for key, text in data.items()}
        self.world.await_secret(self.namespace, name, coded, within=within)

    def says(self, reason: str, name: str = "db", **more: Any) -> str:
        return self.world.await_ready(self.namespace, name, reason, **more).message

    def own(self, reason: str, auth: dict[str, Any], **place: Any) -> str:
        """A SecretStore of the team with this login says this; its message."""
        provider = {"elasticsearch": self.place(auth=auth, **place)}
        self.world.apply(secret_store(self.namespace, "own", provider, prefix=f"acme/{self.namespace}/"))
        return self.world.await_ready(self.namespace, "own", reason, kind="SecretStore").message


BASIC = {"method": "Basic", "usernameKey": "username", "secretRef": {"name": LOGIN, "key": "password"}}


@pytest.fixture(scope="module")
def world(plane: ControlPlane, crds: None, tmp_path_factory: pytest.TempPathFactory, reach: Reach) -> Iterator[World]:
    """An operator that logs all that it ever logs, and whose tenants may ask this machine."""
    values = {"log": {"level": "debug", "format": "json"}, "allowedEndpoints": ["https://127.0.0.1:*"]}
    with world_of(plane, tmp_path_factory.mktemp("operator"), values, reach=reach) as made:
        made.start()
        yield made


@pytest.fixture
def elastic() -> ElasticsearchServer:
    """A real node."""
    return elasticsearch_server.SHARED.get()


@pytest.fixture
def team(world: World, elastic: ElasticsearchServer) -> Iterator[Team]:
    """A team with a ready store. When its test ends, neither value, login nor key has escaped."""
    canaries = Canaries()
    with wire_to(elastic.port) as wire:
        index, namespace = unique("cluster"), world.namespace()
        made = Team(
            world, elastic, wire, index, namespace, world.shared(namespace, f"es-{uuid.uuid4().hex[:8]}"), canaries
        )
        canaries.words["API key"] = elastic.key(allowing(index, "read")).encoded
        made.on(lambda backend: backend.check())  # makes the index
        made.logins(apiKey=canaries.words["API key"])
        auth = {"method": "ApiKey", "secretRef": {"name": LOGIN, "key": "apiKey", "namespace": namespace}}
        ca = {"type": "Secret", "name": LOGIN, "key": "ca.crt", "namespace": namespace}
        encryption = {"keySecretRef": {"name": LOGIN, "key": "encryption", "namespace": namespace}}
        provider = {"elasticsearch": made.place(auth=auth, caProvider=ca, encryption=encryption)}
        world.apply(shared_store(made.store, provider, prefix="acme", refresh={"timeout": "2s"}))
        yield made
        try:
            assert escaped(world, canaries) == {}
        finally:
            world.clear(namespace)
            world.delete(*made.store.place)
            with contextlib.suppress(ElasticsearchFailed):
                elastic.request("DELETE", index)


def test_values_travel_by_tags_and_a_rotated_one_follows(team):
    team.put("db", team.word("first"))
    team.declare(every="1s")
    team.holds(password=team.word("first"))
    team.says("Synced")  # it is told after the Secret is written
    before = team.world.status("ExternalSecret", team.namespace, "db")["sources"][0]["version"]

    team.put("db", team.word("second"))

    team.holds(password=team.word("second"), within=SOON)
    number = int(before.partition("@")[0])
    team.world.await_version(team.namespace, "db", lambda version: int(version.partition("@")[0]) > number)
    team.world.await_store(team.store, "Ready")


def test_find_takes_what_the_mapping_shows_and_nothing_else(team):
    for key in ("api-a", "api-b", "other"):
        team.put(key, team.word(key))
    team.put("api-c", team.word("c"), namespace="another")
    found = [{"find": {"name": {"regexp": "^api-"}}}]

    team.world.apply(external_secret(team.namespace, "found", store=team.store, dataFrom=found))

    team.holds("found", **{key: team.word(key) for key in ("api-a", "api-b")})


def test_a_refresh_with_nothing_new_is_one_search_for_all_and_writes_nothing(team):
    team.put("shared", team.word("shared"))
    data = [{"secretKey": "password", "remoteRef": {"key": "shared"}}]
    many = [external_secret(team.namespace, f"s{n}", store=team.store, data=data, every="2s") for n in range(20)]
    team.world.apply_all(many)
    for n in range(20):
        team.says("Synced", f"s{n}")
    written, syncs, calls = team.world.writes(team.namespace), team.world.syncs(), team.elastic.calls()

    team.world.await_syncs(syncs + 60)

    asked, done = team.elastic.calls() - calls, team.world.syncs() - syncs
    assert team.world.writes(team.namespace) == written
    assert asked["/{index}/_mget"] == 0
    assert 1 <= asked["/{index}/_search"] <= done / 20 + 2  # a beat is a search for all twenty


@contextmanager
def closed(team: Team) -> Iterator[None]:
    team.elastic.request("POST", f"{team.index}/_close")
    try:
        yield
    finally:
        team.elastic.request("POST", f"{team.index}/_open")


WAYS = {"down": lambda team: team.wire.down(), "silent": lambda team: team.wire.silence(), "closed": closed}
TELLING = {"down": "cannot connect to", "silent": "does not answer in time", "closed": "is closed: open it"}


@pytest.mark.parametrize("way", WAYS)
def test_an_elasticsearch_that_fails_costs_no_secret_and_is_followed_again_soon_after(team, way):
    team.put("db", team.word("good"))
    team.declare()
    team.holds(password=team.word("good"))
    before = team.world.get("Secret", team.namespace, "db")
    team.put("db", team.word("new"))

    with WAYS[way](team):
        team.world.annotate("ExternalSecret", team.namespace, "db", {"keyferry.dev/refresh": "now"})
        assert TELLING[way] in team.says("BackendUnavailable")
        assert team.world.get("Secret", team.namespace, "db") == before

    team.holds(password=team.word("new"), within=SOON)
    team.says("Synced")


def test_an_index_that_vanishes_costs_no_secret(team):
    team.put("db", team.word("good"))
    team.declare(every="1s", target={"name": "db", "deletionPolicy": "Delete"})
    team.holds(password=team.word("good"))

    team.elastic.request("DELETE", team.index)

    said = team.world.await_store(team.store, "BackendUnavailable").message
    assert f"has no index {team.index}: run PUT /{team.index}" in said
    team.holds(password=team.word("good"))


def test_what_is_deleted_is_told_and_the_secret_stays(team):
    for key in ("db", "other"):
        team.put(key, team.word(key))
    team.declare(every="1s")
    team.holds(password=team.word("db"))

    team.on(lambda backend: backend.delete(f"acme/{team.namespace}/db"))

    team.says("RemoteSecretMissing")
    team.holds(password=team.word("db"))


def test_a_tag_that_was_edited_past_keyferry_hands_no_secret_to_anybody(team):
    team.put("db", team.word("theirs"), namespace="another")
    (hit,) = team.elastic.request("GET", f"{team.index}/_search?q=name:acme*")["hits"]["hits"]
    forged = {**hit["_source"], "tags": {**hit["_source"]["tags"], "namespace": team.namespace}}
    team.elastic.request("PUT", f"{team.index}/_doc/{hit['_id']}?refresh=true", forged)
    team.declare()
    assert "the document is not as Keyferry wrote it" in team.says("ValueInvalid")
    assert team.world.secret(team.namespace, "db") is None


def test_a_password_is_exchanged_within_seconds(team):
    team.put("db", team.word("value"))
    user = team.elastic.user(allowing(team.index, "read"))
    team.logins(username=user, password=team.word("wrong password"))
    assert "there is no such user, or the password is another" in team.own("AuthFailed", BASIC)

    team.logins(username=user, password=PASSWORD)

    team.world.await_ready(team.namespace, "own", "Ready", kind="SecretStore", within=SOON)
    data = [{"secretKey": "password", "remoteRef": {"key": "db"}}]
    team.world.apply(external_secret(team.namespace, "mine", store="own", kind="SecretStore", data=data))
    team.holds("mine", password=team.word("value"))


def test_another_encryption_key_is_told(team):
    team.world.apply(secret(team.namespace, "other", {"key": team.word("another key")}))
    user = team.elastic.user(allowing(team.index, "read"))
    team.logins(username=user, password=PASSWORD)
    said = team.own("AuthFailed", BASIC, encryption={"keySecretRef": {"name": "other", "key": "key"}})
    assert f"Secret {team.namespace}/other, key key, does not hold the key that the index {team.index}" in said


def test_an_address_that_was_not_allowed_is_not_asked(team):
    team.logins(username="keyferry", password=PASSWORD)
    said = team.own("SpecInvalid", BASIC, addresses=[team.wire.url.replace("127.0.0.1", "localhost")])
    assert "may not send requests to https://localhost:" in said
