"""Infisical's stand-in behind a real Kubernetes API: logins by ServiceAccounts, values that travel, bad days."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.canaries import Canaries, escaped
from tests.cluster.manifests import external_secret, secret, secret_store, shared_store
from tests.cluster.mode import Reach, SharedStore
from tests.cluster.world import World, world_of
from tests.controlplane import ControlPlane
from tests.standins.infisical import InfisicalStandIn
from tests.standins.infisical_wire import refuses

SOON = 10.0  # seconds, where the interval is an hour
CA = {"type": "Secret", "name": "infisical-ca", "key": "ca.crt"}


@dataclass(slots=True)
class Team:
    """A namespace, and a shared store by paths that logs in by tokens which this cluster reviews."""

    world: World
    infisical: InfisicalStandIn
    namespace: str
    store: SharedStore
    canaries: Canaries

    def put(self, key: str, value: str, **more: Any) -> None:
        self.infisical.put(f"acme/{self.namespace}/{key}", value, **more)

    def word(self, name: str) -> str:
        return self.canaries.word(name)

    def place(self, **more: Any) -> dict[str, Any]:
        return {"siteUrl": self.infisical.url, "project": "shop", "environment": "prod", "caProvider": CA, **more}

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
        provider = {"infisical": {**self.place(path=f"/acme/{self.namespace}"), "auth": auth, **place}}
        self.world.apply(secret_store(self.namespace, "own", provider))
        return self.world.await_ready(self.namespace, "own", reason, kind="SecretStore").message


@pytest.fixture(scope="module")
def world(plane: ControlPlane, crds: None, tmp_path_factory: pytest.TempPathFactory, reach: Reach) -> Iterator[World]:
    """An operator that logs all that it ever logs, and whose tenants may ask this machine."""
    values = {"log": {"level": "debug", "format": "json"}, "allowedEndpoints": ["https://127.0.0.1:*"]}
    with world_of(plane, tmp_path_factory.mktemp("operator"), values, reach=reach) as made:
        made.start()
        yield made


def kubernetes(world: World, infisical: InfisicalStandIn, namespace: str) -> dict[str, str]:
    """A login for the ServiceAccount reader of that namespace, whose tokens this cluster reviews."""

    def review(token: str) -> str:
        asked = {"spec": {"token": token, "audiences": ["infisical"]}}
        answer = world.plane.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", asked)
        if not answer["status"].get("authenticated"):
            return "invalid service account token"
        account = f"system:serviceaccount:{namespace}:reader"
        return "" if answer["status"]["user"]["username"] == account else "Kubernetes service account name not allowed."

    return {"method": "Kubernetes", "identityId": infisical.kubernetes_auth(review)}


@pytest.fixture
def team(world: World) -> Iterator[Team]:
    """A team with a ready store. When its test ends, no value and no token has escaped."""
    canaries, namespace = Canaries(), world.namespace()
    with InfisicalStandIn() as infisical:
        store = world.shared(namespace, f"infisical-{uuid.uuid4().hex[:8]}")
        made = Team(world, infisical, namespace, store, canaries)
        for account in ("reader", "intruder"):
            world.account(namespace, account, "infisical", "else")
        world.apply(secret(namespace, CA["name"], {"ca.crt": infisical.ca.decode()}))
        ref = {"name": "reader", "namespace": namespace}
        auth = {**kubernetes(world, infisical, namespace), "serviceAccountRef": ref}
        provider = {"infisical": made.place(auth=auth, caProvider={**CA, "namespace": namespace})}
        refresh = {"timeout": "2s"}
        world.apply(shared_store(made.store, provider, prefix="acme", mapping={"by": "Paths"}, refresh=refresh))
        yield made
        tokens = {call.token for call, _ in infisical.wire.calls} | {*infisical.logins.tokens}
        canaries.words |= {f"token {n}": token for n, token in enumerate(tokens) if token}
        canaries.words |= {f"secret {n}": held for n, (held, _) in enumerate(infisical.logins.clients.values())}
        try:
            assert escaped(world, canaries) == {}
        finally:
            world.clear(namespace)
            world.delete(*made.store.place)


def test_values_travel_by_paths_and_a_rotated_one_follows(team):
    team.put("db", team.word("first"))
    team.declare(every="1s")
    team.holds(password=team.word("first"))

    team.put("db", team.word("second"))

    team.holds(password=team.word("second"), within=SOON)
    team.world.await_version(team.namespace, "db", lambda version: version.startswith("2@"))
    team.world.await_store(team.store, "Ready")
    assert team.infisical.counts()["login"] == 1


def test_what_a_value_refers_to_is_followed_too(team):
    team.put("user", team.word("user"))
    team.put("db", "postgres://${user}@db")
    team.declare(every="1s")
    team.holds(password=f"postgres://{team.word('user')}@db")

    team.put("user", team.word("other"))

    team.holds(password=f"postgres://{team.word('other')}@db", within=SOON)


def test_find_takes_what_the_mapping_shows_and_nothing_else(team):
    for key in ("api-a", "api-b", "other"):
        team.put(key, team.word(key))
    team.infisical.put("acme/another/api-c", team.word("c"))
    found = [{"find": {"name": {"regexp": "^api-"}}}]

    team.world.apply(external_secret(team.namespace, "found", store=team.store, dataFrom=found))

    team.holds("found", **{key: team.word(key) for key in ("api-a", "api-b")})


def test_a_key_that_leads_to_another_namespaces_folder_is_refused(team):
    team.infisical.put("acme/another/db", team.word("theirs"))
    data = [{"secretKey": "password", "remoteRef": {"key": "../another/db"}}]
    team.world.apply(external_secret(team.namespace, "thief", store=team.store, data=data))
    assert "without the parts . and .." in team.says("SpecInvalid", "thief")


def test_a_refresh_with_nothing_new_is_one_list_for_all_and_writes_nothing(team):
    team.put("shared", team.word("shared"))
    data = [{"secretKey": "password", "remoteRef": {"key": "shared"}}]
    many = [external_secret(team.namespace, f"s{n}", store=team.store, data=data, every="2s") for n in range(20)]
    team.world.apply_all(many)
    for n in range(20):
        team.says("Synced", f"s{n}")
    written, syncs = team.world.writes(team.namespace), team.world.syncs()
    team.infisical.wire.clear()

    team.world.await_syncs(syncs + 60)

    counts, done = team.infisical.counts(), team.world.syncs() - syncs
    assert team.world.writes(team.namespace) == written
    assert counts.keys() == {"list 304"}
    assert 1 <= counts["list 304"] <= done / 20 + 2  # a beat is a list for all twenty


@contextmanager
def down(team: Team) -> Iterator[None]:
    team.infisical.wire.down()
    try:
        yield
    finally:
        team.infisical.wire.up()


WAYS = {
    "down": down,
    "silent": lambda team: team.infisical.wire.silence(),
    "broken": lambda team: team.infisical.wire.failing(refuses(502, "bad gateway"), "/secrets"),
}
TELLING = {"down": "cannot connect", "silent": "does not answer in time", "broken": "fails at List (status 502)"}


@pytest.mark.parametrize("way", WAYS)
def test_an_infisical_that_fails_costs_no_secret_and_is_followed_again_soon_after(team, way):
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


def test_an_environment_that_vanishes_costs_no_secret(team):
    team.put("db", team.word("good"))
    team.declare(every="1s", target={"name": "db", "deletionPolicy": "Delete"})
    team.holds(password=team.word("good"))
    environments = team.infisical.project.environments
    environments["renamed"] = environments.pop("prod")

    said = team.world.await_store(team.store, "SpecInvalid").message
    assert "Infisical has no folder as in folder / of environment prod" in said

    team.holds(password=team.word("good"))
    environments["prod"] = environments.pop("renamed")
    team.world.annotate(*team.store.place, {"keyferry.dev/refresh": "now"})  # else within a minute
    team.says("Synced")


def test_another_service_accounts_token_is_refused(team):
    auth = {**kubernetes(team.world, team.infisical, team.namespace), "serviceAccountRef": {"name": "intruder"}}
    said = team.own("AuthFailed", auth)
    assert f"ServiceAccount {team.namespace}/intruder: the identity does not allow this ServiceAccount" in said
    assert "audience" in team.own("AuthFailed", {**auth, "serviceAccountRef": {"name": "reader"}, "audience": "else"})


def test_a_client_secret_is_exchanged_within_seconds(team):
    team.put("db", team.word("value"))
    auth = {"method": "UniversalAuth", "secretRef": {"name": "login", "key": "clientSecret"}}
    client, held = team.infisical.universal_auth()
    team.world.apply(secret(team.namespace, "login", {"clientId": client, "clientSecret": "nothing"}))
    assert "there is no such client ID, or the client secret is not" in team.own("AuthFailed", auth)

    team.world.apply(secret(team.namespace, "login", {"clientId": client, "clientSecret": held}))

    team.world.await_ready(team.namespace, "own", "Ready", kind="SecretStore", within=SOON)
    data = [{"secretKey": "password", "remoteRef": {"key": "db"}}]
    team.world.apply(external_secret(team.namespace, "mine", store="own", kind="SecretStore", data=data))
    team.holds("mine", password=team.word("value"))


def test_what_may_not_be_read_is_in_the_stores_status(team):
    team.put("db", team.word("value"))
    team.put("other", team.word("other"))
    auth = {"method": "UniversalAuth", "secretRef": {"name": "login", "key": "clientSecret"}}
    client, held = team.infisical.universal_auth("half")
    team.infisical.deny("readValue", key="db", identity="half")
    team.world.apply(secret(team.namespace, "login", {"clientId": client, "clientSecret": held}))
    team.own("Ready", auth, path="/acme")
    (lacking,) = team.world.status("SecretStore", team.namespace, "own")["lacking"]
    assert (
        f"Read Value on 1 of the secrets in folder /acme of environment prod, project shop ({team.namespace}/db)"
        in (lacking)
    )


def test_an_address_that_was_not_allowed_is_not_asked(team):
    auth = {"method": "UniversalAuth", "secretRef": {"name": "login", "key": "clientSecret"}}
    said = team.own("SpecInvalid", auth, siteUrl=team.infisical.url.replace("127.0.0.1", "localhost"))
    assert "may not send requests to https://localhost:" in said
