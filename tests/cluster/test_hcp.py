"""HCP's stand-in behind a real Kubernetes API: values that travel, what is made for them, and the service's end."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.canaries import Canaries, escaped
from tests.cluster.manifests import cluster_store, external_secret, secret, secret_store
from tests.cluster.mode import Lacks, Reach, cluster_mode_only
from tests.cluster.world import World, world_of
from tests.controlplane import ControlPlane
from tests.standins.hcp import ORGANIZATION, PROJECT, HcpStandIn, refuses
from tests.standins.wire import says

SOON = 10.0  # seconds, where the interval is an hour
ENDED = "HCP Vault Secrets ended on 1 July 2026"


@dataclass(slots=True)
class Team:
    """A namespace with a SecretStore of its own, by names."""

    world: World
    hcp: HcpStandIn
    namespace: str
    canaries: Canaries
    store: str = "hcp"

    def word(self, name: str) -> str:
        return self.canaries.word(name)

    def provider(self, where: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        """The app, with a login in the team's Secrets; `where`: their namespace, for a ClusterSecretStore."""
        login = {"name": "hcp-login", **(where or {})}
        auth = {
            "clientIdSecretRef": {**login, "key": "clientId"},
            "clientSecretSecretRef": {**login, "key": "clientSecret"},
        }
        place = {"organization": ORGANIZATION, "project": PROJECT, "app": "shop", "endpoint": self.hcp.url}
        ca = {"type": "Secret", "name": "hcp-ca", "key": "ca.crt", **(where or {})}
        return {"hcp": {**place, "authEndpoint": self.hcp.url, "caProvider": ca, "auth": auth, **more}}

    def declare(self, name: str = "db", *, keys: dict[str, Any] | None = None, **spec: Any) -> None:
        """An ExternalSecret of key DB, or of these."""
        refs = keys or {"password": {"key": "DB"}}
        data = [{"secretKey": key, "remoteRef": ref} for key, ref in refs.items()]
        more = {"store": self.store, "kind": "SecretStore", "data": data, **spec}
        self.world.apply(external_secret(self.namespace, name, **more))

    def holds(self, name: str = "db", *, within: float = 30.0, **data: str) -> None:
        coded = {key: text.encode() for key, text in data.items()}
        self.world.await_secret(self.namespace, name, coded, within=within)

    def says(self, reason: str, name: str = "db", **more: Any) -> str:
        return self.world.await_ready(self.namespace, name, reason, **more).message

    def store_says(self, reason: str) -> str:
        return self.world.await_ready(self.namespace, self.store, reason, kind="SecretStore").message


@pytest.fixture(scope="module")
def world(plane: ControlPlane, crds: None, tmp_path_factory: pytest.TempPathFactory, reach: Reach) -> Iterator[World]:
    """An operator that logs all that it ever logs, and whose tenants may ask this machine."""
    values = {"log": {"level": "debug", "format": "json"}, "allowedEndpoints": ["https://127.0.0.1:*"]}
    with world_of(plane, tmp_path_factory.mktemp("operator"), values, reach=reach) as made:
        made.start()
        yield made


@pytest.fixture
def team(world: World) -> Iterator[Team]:
    """A team with a store. When its test ends, no value, token or client secret has escaped."""
    canaries, namespace = Canaries(), world.namespace()
    with HcpStandIn() as hcp:
        made = Team(world, hcp, namespace, canaries)
        world.apply(secret(namespace, "hcp-ca", {"ca.crt": hcp.ca.decode()}))
        world.apply(secret(namespace, "hcp-login", hcp.service_principal()))
        world.apply(secret_store(namespace, "hcp", made.provider(), refresh={"timeout": "2s"}))
        yield made
        canaries.words |= {f"token {n}": call.token for n, (call, _) in enumerate(hcp.wire.calls) if call.token}
        canaries.words |= {f"key {n}": held.secret for n, held in enumerate(hcp.logins.principals.values())}
        minted = [values["secret_key"] for each in hcp.app.secrets.values() for _, values in each.minted]
        canaries.words |= {f"minted {n}": each for n, each in enumerate(minted)}
        try:
            assert escaped(world, canaries) == {}
        finally:
            world.clear(namespace)


def test_values_travel_by_names_and_rotated_ones_follow(team: Team):
    team.hcp.put("DB", team.word("first"))
    team.hcp.put("AWS", {"id": team.word("id"), "key": team.word("key")})
    team.declare(keys={"password": {"key": "DB"}, "id": {"key": "AWS", "property": "id"}}, every="1s")
    team.holds(password=team.word("first"), id=team.word("id"))

    team.hcp.put("DB", team.word("second"))
    team.hcp.put("AWS", {"id": team.word("other id"), "key": team.word("other key")})

    team.holds(password=team.word("second"), id=team.word("other id"), within=SOON)
    assert team.hcp.counts()["login"] == 1


def test_a_store_that_works_says_that_its_service_has_ended(team: Team):
    assert team.store_says("Ready").startswith(f"{ENDED}: move to HCP Vault Dedicated")


@cluster_mode_only(Lacks.CALLED_AT_ONCE)
def test_by_paths_a_namespace_sees_its_own(team: Team):
    team.hcp.put("acme_mine_DB_PASSWORD", team.word("mine"))
    team.hcp.put("acme_theirs_DB_PASSWORD", team.word("theirs"))
    name = f"hcp-{uuid.uuid4().hex[:8]}"
    team.world.apply(cluster_store(name, team.provider({"namespace": team.namespace}), prefix="acme"))
    shared = {"store": name, "kind": "ClusterSecretStore"}
    try:
        team.declare("mine", keys={"password": {"key": "DB_PASSWORD"}}, **shared)
        assert "letters, digits and _ are all there is" in team.says("RemoteSecretMissing", "mine")

        team.world.annotate("Namespace", "", team.namespace, {"keyferry.dev/namespace": "mine"})

        team.holds("mine", password=team.word("mine"))
        team.declare("thief", keys={"password": {"key": "theirs_DB_PASSWORD"}}, **shared)
        team.says("RemoteSecretMissing", "thief")
    finally:
        team.world.delete("ClusterSecretStore", "", name)


def _down(team: Team) -> "AbstractContextManager[None]":
    @contextmanager
    def down() -> Iterator[None]:
        team.hcp.wire.down()
        try:
            yield
        finally:
            team.hcp.wire.up()

    return down()


def _ended(status: int) -> Callable[[Team], "AbstractContextManager[None]"]:
    @contextmanager
    def ended(team: Team) -> Iterator[None]:
        team.hcp.ended = status
        yield
        team.hcp.ended = 0

    return ended


ENDS: dict[str, tuple[Callable[[Team], "AbstractContextManager[None]"], str]] = {
    "404": (_ended(404), "there is no app shop of project"),
    "410": (_ended(410), "(status 410)"),
    "no connection": (_down, "cannot connect to"),
    "no answer": (lambda team: team.hcp.wire.silence(), "does not answer in time"),
    "a farewell": (lambda team: team.hcp.wire.failing(says(b"<html>farewell</html>")), "does not understand"),
    "nothing": (lambda team: team.hcp.wire.failing(says(b"{}")), "no list of secrets in it"),
    "an empty list": (lambda team: team.hcp.wire.failing(says(b'{"secrets": []}')), "does not tell of the app itself"),
    "errors": (lambda team: team.hcp.wire.failing(refuses(503, "gone fishing")), "(status 503)"),
}


@pytest.mark.parametrize(("end", "telling"), ENDS.values(), ids=ENDS.keys())
def test_the_end_of_the_service_costs_no_secret_and_store_and_externalsecret_say_so(
    team: Team, end: Callable[[Team], "AbstractContextManager[None]"], telling: str
):
    team.hcp.put("DB", team.word("good"))
    team.declare(every="1s", target={"name": "db", "deletionPolicy": "Delete"})
    optional = {"secretKey": "password", "remoteRef": {"key": "DB"}, "optional": True}
    team.declare("optional", data=[optional], every="1s")
    for name in ("db", "optional"):
        team.holds(name, password=team.word("good"))
    kept = [team.world.get("Secret", team.namespace, name) for name in ("db", "optional")]

    with end(team):
        said = team.store_says("BackendUnavailable")
        assert telling in said
        assert telling in team.says("BackendUnavailable")
        syncs = team.world.syncs()
        team.world.annotate("ExternalSecret", team.namespace, "db", {"keyferry.dev/refresh": "now"})
        team.world.await_syncs(syncs + 1)
        assert [team.world.get("Secret", team.namespace, name) for name in ("db", "optional")] == kept
    assert f"{ENDED}; Secrets stay as they are" in said

    team.world.annotate("SecretStore", team.namespace, "hcp", {"keyferry.dev/refresh": "now"})  # else within a minute
    team.says("Synced")


def test_a_restart_after_the_end_keeps_every_secret(team: Team):
    team.hcp.put("DB", team.word("good"))
    team.declare(every="1s", target={"name": "db", "deletionPolicy": "Delete"})
    team.holds(password=team.word("good"))
    kept = team.world.get("Secret", team.namespace, "db")

    team.world.operator.kill()
    team.hcp.ended = 404
    team.world.start()

    assert ENDED in team.store_says("BackendUnavailable")
    team.says("BackendUnavailable")
    assert team.world.get("Secret", team.namespace, "db") == kept


def test_what_is_deleted_in_a_service_that_works_goes_as_the_policy_says(team: Team):
    team.hcp.put("DB", team.word("good"))
    team.hcp.put("OTHER", team.word("other"))
    team.declare(every="1s", target={"name": "db", "deletionPolicy": "Delete"})
    team.holds(password=team.word("good"))

    del team.hcp.app.secrets["DB"]

    gone = lambda: team.world.get("Secret", team.namespace, "db") is None  # noqa: E731 - what is waited for
    team.world.eventually(gone, what="the Secret goes")


def test_a_dynamic_secret_is_made_once_by_looks_and_restarts_and_again_where_it_is_needed(team: Team):
    made = team.hcp.dynamic("AWS", ttl=4 * 3600)
    team.declare("aws", keys={"key": {"key": "AWS", "property": "secret_key"}}, every="1s")
    team.says("Synced", "aws")
    team.holds("aws", key=made.minted[0][1]["secret_key"])
    syncs = team.world.syncs()
    team.world.await_syncs(syncs + 3)
    assert team.hcp.minted() == 1

    team.world.operator.kill()
    team.hcp.wire.clear()
    team.world.start()
    team.world.await_syncs(2)
    assert team.hcp.counts()["list"] >= 2
    assert team.hcp.minted() == 1

    team.world.delete("Secret", team.namespace, "aws")
    team.world.eventually(lambda: team.hcp.minted() == 2, what="what was lost is made anew")
    team.holds("aws", key=made.minted[1][1]["secret_key"], within=SOON)


def test_a_login_is_exchanged_within_seconds(team: Team):
    team.hcp.put("DB", team.word("value"))
    key = team.hcp.service_principal()
    team.world.apply(secret(team.namespace, "hcp-login", {**key, "clientSecret": "nothing"}))
    assert "there is no such client ID, or the client secret is not" in team.store_says("AuthFailed")

    team.world.apply(secret(team.namespace, "hcp-login", key))

    team.store_says("Ready")
    team.declare()
    team.holds(password=team.word("value"))


def test_an_address_that_was_not_allowed_is_not_asked(team: Team):
    elsewhere = team.hcp.url.replace("127.0.0.1", "localhost")
    team.world.apply(secret_store(team.namespace, "hcp", team.provider(endpoint=elsewhere)))
    assert "may not send requests to https://localhost:" in team.store_says("SpecInvalid")
