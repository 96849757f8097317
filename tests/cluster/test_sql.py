"""SQL servers behind a real Kubernetes API: values that travel, changes that are told, and days of failure."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from keyferry.backends.sql.backend import SqlBackend
from tests.cluster.canaries import Canaries, escaped
from tests.cluster.manifests import external_secret, secret, secret_store, shared_store
from tests.cluster.mode import Reach, SharedStore
from tests.cluster.world import World, world_of
from tests.contract.sql_stores import A_KEY, CA, KEY, LOGIN, Server, holding, spec, store
from tests.controlplane import ControlPlane
from tests.servers.h2_server import H2Server
from tests.servers.mariadb_server import MariadbServer
from tests.servers.postgresql_server import PostgresqlServer
from tests.servers.sql import SERVERS

SOON = 15.0  # seconds, where the interval is ten minutes and the machine may be busy


@dataclass(slots=True)
class Team:
    """A namespace, a database, and a shared store by paths whose user has a password that is a canary."""

    world: World
    server: Server
    database: str
    namespace: str
    store: SharedStore
    canaries: Canaries = field(default_factory=Canaries)
    user: str = ""

    def word(self, name: str) -> str:
        return self.canaries.word(name)

    def put(self, key: str, value: str) -> None:
        """Give the team a secret under that key, or a new value of it, as another Keyferry would."""
        self._asked(lambda backend: backend.put(f"acme/{self.namespace}/{key}", value.encode(), {"tier": "web"}))

    def delete(self, key: str) -> None:
        self._asked(lambda backend: backend.delete(f"acme/{self.namespace}/{key}"))

    def declare(self, name: str = "db", every: str = "10m", **spec: Any) -> None:
        self.world.apply(external_secret(self.namespace, name, store=self.store, every=every, **spec))

    def holds(self, value: str, name: str = "db", *, within: float = 30.0) -> None:
        self.world.await_secret(self.namespace, name, {"value": value.encode()}, within=within)

    def says(self, reason: str, name: str = "db", **more: Any) -> str:
        return self.world.await_ready(self.namespace, name, reason, **more).message

    def listens(self, status: str, telling: str = "") -> None:
        """Return when the store's Listening condition is so."""

        def so() -> bool:
            conditions = self.world.status(*self.store.place).get("conditions") or ()
            return any(
                each["type"] == "Listening" and each["status"] == status and telling in each["message"]
                for each in conditions
            )

        self.world.eventually(so, what=f"{self.store.name} to say Listening={status} {telling}")

    def _asked(self, work: Callable[[SqlBackend], Awaitable[Any]]) -> None:
        async def done() -> None:
            backend = store(self.server, self.database, timeout=30)
            try:
                await work(backend)
            finally:
                await backend.aclose()

        with ThreadPoolExecutor(1) as thread:  # pytest's own has an event loop already
            thread.submit(asyncio.run, done()).result()


@pytest.fixture(scope="module")
def world(plane: ControlPlane, crds: None, tmp_path_factory: pytest.TempPathFactory, reach: Reach) -> Iterator[World]:
    """An operator that logs all that it ever logs, and whose tenants may ask this machine by its number only."""
    allowed = [f"{scheme}://127.0.0.1:*" for scheme in ("postgresql", "mysql", "h2")]
    values = {"log": {"level": "debug", "format": "json"}, "allowedEndpoints": allowed}
    with world_of(plane, tmp_path_factory.mktemp("operator"), values, reach=reach) as made:
        made.start()
        yield made


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Server:
    running: Server = SERVERS[request.param].get()
    return running


@pytest.fixture
def postgresql() -> Server:
    running: Server = SERVERS["postgresql"].get()
    return running


@pytest.fixture
def teams(world: World) -> Iterator[Callable[[Server], Team]]:
    """Makes teams with ready stores. When the test ends, no value, password or key has escaped."""
    made: list[Team] = []

    def team(server: Server) -> Team:
        namespace = world.namespace()
        store = world.shared(namespace, f"sql-{uuid.uuid4().hex[:8]}")
        made.append(new := Team(world, server, server.database(), namespace, store))
        _install(new)
        return new

    yield team
    try:
        for each in made:
            assert escaped(world, each.canaries) == {}
    finally:
        for each in made:
            world.clear(each.namespace)
            world.delete(*each.store.place)
            each.server.drop(each.database)


def _install(team: Team) -> None:
    world, server, password = team.world, team.server, team.word("password")
    if isinstance(server, H2Server):
        team.user, _ = server.user(team.database, password)
        server.run(team.database, f"ALTER USER {team.user} ADMIN TRUE")
    else:
        team.user, _ = server.user(password)
        rights = f"ALL ON {team.database}.*" if isinstance(server, MariadbServer) else "ALL ON SCHEMA public"
        server.run(team.database, f"GRANT {rights} TO {team.user}")
    team.canaries.words["key"] = A_KEY.decode()
    world.apply(secret(team.namespace, LOGIN, {"username": team.user, "password": password}))
    world.apply(secret(team.namespace, KEY, {"key": A_KEY.decode()}))
    world.apply(secret(team.namespace, CA, {"ca.crt": holding(server).secrets[CA]["ca.crt"].decode() or "none"}))
    provider = {"sql": _named(spec(server, team.database), team.namespace)}
    mapping = {"by": "Paths"}
    world.apply(shared_store(team.store, provider, prefix="acme", mapping=mapping, refresh={"timeout": "5s"}))
    world.await_store(team.store, "Ready")


def _named(provider: dict[str, Any], namespace: str) -> dict[str, Any]:
    """The same, where each reference says the namespace, as a ClusterSecretStore's must."""
    for at in (provider["auth"]["secretRef"], provider["encryption"]["keySecretRef"], provider.get("caProvider") or {}):
        if at:
            at["namespace"] = namespace
    return provider


def test_a_value_travels_and_so_does_a_new_one(teams: Callable[[Server], Team], server: Server):
    team = teams(server)
    team.put("db", team.word("first"))
    team.declare(every="2s")
    team.holds(team.word("first"))
    team.put("db", team.word("second"))
    team.holds(team.word("second"))
    lacking = team.world.status(*team.store.place).get("lacking") or []
    assert [each.partition(":")[0] for each in lacking] == (["TLS"] if isinstance(server, H2Server) else [])


def test_find_takes_what_the_mapping_shows_and_nothing_else(teams: Callable[[Server], Team], server: Server):
    team = teams(server)
    team.put("api-a", team.word("a"))
    team.put("other", team.word("o"))
    team.declare("found", dataFrom=[{"find": {"name": {"regexp": "^api-"}}}])
    team.world.await_secret(team.namespace, "found", {"api-a": team.word("a").encode()})


def test_a_change_in_postgresql_arrives_within_a_second_at_an_interval_of_ten_minutes(
    teams: Callable[[Server], Team], postgresql: Server
):
    team = teams(postgresql)
    team.put("db", team.word("0"))
    team.declare()
    team.holds(team.word("0"))
    team.listens("True")
    for number in range(1, 4):
        team.put("db", team.word(str(number)))
        team.holds(team.word(str(number)), within=1.0)


def test_a_refresh_with_nothing_new_reads_no_value_and_writes_nothing(
    teams: Callable[[Server], Team], postgresql: Server
):
    team = teams(postgresql)
    team.put("db", team.word("v"))
    team.world.apply_all(
        [
            external_secret(team.namespace, f"s{n}", store=team.store, every="2s", keys={"value": "db"})
            for n in range(20)
        ]
    )
    for n in range(20):
        team.says("Synced", f"s{n}")
    calls = {"store": team.store.label, "operation": "Select"}
    written, syncs = team.world.writes(team.namespace), team.world.syncs()
    selects = team.world.metric("keyferry_backend_calls_total", **calls)

    team.world.await_syncs(syncs + 60)

    assert selects >= 1
    assert team.world.metric("keyferry_backend_calls_total", **calls) == selects
    assert team.world.writes(team.namespace) == written


def test_a_database_that_is_away_costs_no_secret_and_what_was_missed_is_seen_when_it_is_back(
    teams: Callable[[Server], Team], postgresql: Server
):
    assert isinstance(postgresql, PostgresqlServer)
    team = teams(postgresql)
    team.put("db", team.word("good"))
    team.declare()
    team.holds(team.word("good"))
    team.listens("True")
    before = team.world.get("Secret", team.namespace, "db")
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{team.user}'"  # noqa: S608 - ours

    postgresql.run("postgres", f"ALTER ROLE {team.user} NOLOGIN", cut)
    team.listens("False", "no such user, or the password")
    team.put("db", team.word("new"))
    team.world.annotate("ExternalSecret", team.namespace, "db", {"keyferry.dev/refresh": "now"})
    team.says("AuthFailed")
    assert team.world.get("Secret", team.namespace, "db") == before

    postgresql.run("postgres", f"ALTER ROLE {team.user} LOGIN")
    team.holds(team.word("new"), within=40)
    team.listens("True")


def test_a_new_password_is_used_within_seconds(teams: Callable[[Server], Team], postgresql: Server):
    team = teams(postgresql)
    team.put("db", team.word("v"))
    team.declare()
    team.holds(team.word("v"))
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{team.user}'"  # noqa: S608 - ours
    postgresql.run("postgres", f"ALTER ROLE {team.user} PASSWORD '{team.word('new password')}'", cut)
    team.world.apply(secret(team.namespace, LOGIN, {"username": team.user, "password": team.word("new password")}))
    team.put("db", team.word("w"))
    team.holds(team.word("w"), within=SOON)
    team.listens("True")


def test_a_tenant_may_ask_only_servers_that_were_allowed(teams: Callable[[Server], Team], server: Server):
    team = teams(server)
    provider = spec(server, team.database)
    team.world.apply(secret_store(team.namespace, "own", {"sql": provider}))
    team.world.await_ready(team.namespace, "own", "Ready", kind="SecretStore")

    provider[server.scheme]["host"] = "localhost"
    team.world.apply(secret_store(team.namespace, "own", {"sql": provider}))

    said = team.world.await_ready(team.namespace, "own", "SpecInvalid", kind="SecretStore").message
    assert f"may not send requests to {server.scheme}://localhost:{server.port}" in said
