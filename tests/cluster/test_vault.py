"""A real Vault behind a real Kubernetes API: logins by ServiceAccounts, values that travel, and days of failure."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.cluster.canaries import Canaries, escaped
from tests.cluster.manifests import external_secret, secret, secret_store, shared_store
from tests.cluster.mode import Reach, SharedStore
from tests.cluster.world import World, world_of
from tests.controlplane import ControlPlane
from tests.servers import vault_server
from tests.servers.vault_server import VaultServer
from tests.standins.vault_proxy import VaultProxy

SOON = 10.0  # seconds, where the interval is an hour
AUDIENCE = "vault"


@dataclass(slots=True)
class Team:
    """A namespace, an engine of Vault's, and a shared store by paths that logs in by reviewed tokens."""

    world: World
    proxy: VaultProxy
    engine: str
    namespace: str
    store: SharedStore
    canaries: Canaries

    @property
    def vault(self) -> VaultServer:
        return self.proxy.vault

    def put(self, key: str, **content: Any) -> None:
        """Give Vault a secret for this team under that key, or a new version of it."""
        self.vault.request("POST", f"{self.engine}/data/acme/{self.namespace}/{key}", {"data": content})

    def word(self, name: str) -> str:
        return self.canaries.word(name)

    def place(self, **more: Any) -> dict[str, Any]:
        return {"server": self.proxy.url, "rootEngine": self.engine, **more}

    def declare(self, name: str = "db", **spec: Any) -> None:
        """Apply an ExternalSecret of this store that takes one entry of the secret's map."""
        data = [{"secretKey": "password", "remoteRef": {"key": name, "property": "password"}}]
        self.world.apply(external_secret(self.namespace, name, store=self.store, data=data, **spec))

    def holds(self, name: str = "db", *, within: float = 30.0, **data: str) -> None:
        coded = {key: text.encode() for key, text in data.items()}
        self.world.await_secret(self.namespace, name, coded, within=within)

    def says(self, reason: str, name: str = "db", **more: Any) -> str:
        return self.world.await_ready(self.namespace, name, reason, **more).message

    def own(self, reason: str, auth: dict[str, Any], **place: Any) -> str:
        """A SecretStore of the team with this login says this; its message."""
        provider = {"vault": {**self.place(), "auth": auth, **place}}
        self.world.apply(secret_store(self.namespace, "own", provider, prefix=f"acme/{self.namespace}/"))
        return self.world.await_ready(self.namespace, "own", reason, kind="SecretStore").message


@pytest.fixture(scope="module")
def world(plane: ControlPlane, crds: None, tmp_path_factory: pytest.TempPathFactory, reach: Reach) -> Iterator[World]:
    """An operator that logs all that it ever logs, and whose tenants may ask this machine."""
    values = {"log": {"level": "debug", "format": "json"}, "allowedEndpoints": ["https://127.0.0.1:*"]}
    with world_of(plane, tmp_path_factory.mktemp("operator"), values, reach=reach) as made:
        made.start()
        yield made


@pytest.fixture
def vault() -> Iterator[VaultProxy]:
    with VaultProxy(vault_server.SHARED.get()) as running:
        yield running


@pytest.fixture
def team(world: World, vault: VaultProxy) -> Iterator[Team]:
    """A team with a ready store. When its test ends, no value and no token has escaped."""
    canaries, namespace = Canaries(), world.namespace()
    store = world.shared(namespace, f"vault-{uuid.uuid4().hex[:8]}")
    made = Team(world, vault, vault.vault.engine(), namespace, store, canaries)
    reviewer = f"reviews-{namespace}"
    for account in ("reader", "intruder", "vault"):
        world.account(namespace, account, AUDIENCE, "elsewhere")
    delegate = ("--clusterrole=system:auth-delegator", f"--serviceaccount={namespace}:vault")
    world.plane.kubectl("create", "clusterrolebinding", reviewer, *delegate)
    authority = {"ca.crt": vault.vault.ca.read_text()}
    at = f"/api/v1/namespaces/{namespace}/configmaps"
    world.plane.request("POST", at, {"metadata": {"name": "vault-ca"}, "data": authority})
    world.apply(secret(namespace, "vault-ca", authority))
    ref = {"name": "reader", "namespace": namespace}
    auth = {"method": "Kubernetes", "mount": reviewed(made), "role": "reads", "serviceAccountRef": ref}
    ca = {"type": "ConfigMap", "name": "vault-ca", "key": "ca.crt", "namespace": namespace}
    provider = {"vault": made.place(auth=auth, caProvider=ca)}
    world.apply(shared_store(made.store, provider, prefix="acme", mapping={"by": "Paths"}, refresh={"timeout": "2s"}))
    yield made
    canaries.words |= {f"token {n}": call.token for n, call in enumerate(vault.calls) if call.token}
    try:
        assert escaped(world, canaries) == {}
    finally:
        world.clear(namespace)
        world.delete(*made.store.place)
        world.plane.kubectl("delete", "clusterrolebinding", reviewer)


def policy(team: Team) -> str:
    """What the page on Vault recommends for mapping by paths."""
    return team.vault.policy(
        (f"{team.engine}/data/acme/*", ["read"]), (f"{team.engine}/metadata/acme/*", ["list", "read"])
    )


def reviewed(team: Team) -> str:
    """A login whose tokens this cluster reviews; where it is mounted."""
    mount, plane = team.vault.login("kubernetes"), team.world.plane
    config = {
        "kubernetes_host": plane.url,
        "kubernetes_ca_cert": plane.ca_file.read_text(),
        "token_reviewer_jwt": plane.kubectl("--namespace", team.namespace, "create", "token", "vault").strip(),
        "disable_local_ca_jwt": True,
    }
    team.vault.request("POST", f"auth/{mount}/config", config)
    bound = {"bound_service_account_names": ["reader"], "bound_service_account_namespaces": [team.namespace]}
    role = {**bound, "audience": AUDIENCE, "token_policies": [policy(team)], "token_ttl": "10m"}
    team.vault.request("POST", f"auth/{mount}/role/reads", role)
    return mount


def verified(team: Team) -> str:
    """A login that verifies tokens by this cluster's keys; where it is mounted."""
    mount = team.vault.login("jwt")
    keys = jwt.PyJWKSet.from_dict(team.world.plane.request("GET", "/openid/v1/jwks")).keys
    pems = [key.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode() for key in keys]
    team.vault.request("POST", f"auth/{mount}/config", {"jwt_validation_pubkeys": pems})
    subject = f"system:serviceaccount:{team.namespace}:reader"
    bound = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": [AUDIENCE], "bound_subject": subject}
    team.vault.request("POST", f"auth/{mount}/role/reads", {**bound, "token_policies": [policy(team)]})
    return mount


def test_values_travel_by_paths_and_a_rotated_one_follows(team):
    team.put("db", password=team.word("first"), user=team.word("user"))
    team.declare(every="1s")
    team.holds(password=team.word("first"))
    extract = [{"extract": {"key": "db"}}]
    team.world.apply(external_secret(team.namespace, "all", store=team.store, dataFrom=extract))
    team.holds("all", password=team.word("first"), user=team.word("user"))

    team.put("db", password=team.word("second"))

    team.holds(password=team.word("second"), within=SOON)
    team.world.await_version(team.namespace, "db", lambda version: version.startswith("2@"))
    team.world.await_store(team.store, "Ready")
    assert team.proxy.logins() == 1


def test_find_takes_what_the_mapping_shows_and_nothing_else(team):
    team.put("api-a", token=team.word("a"))
    team.put("api-b", token=team.word("b"))
    team.put("deep/other", token=team.word("d"))
    team.vault.request("POST", f"{team.engine}/data/acme/another/api-c", {"data": {"token": team.word("c")}})
    found = [{"find": {"name": {"regexp": "api-"}}}]

    team.world.apply(external_secret(team.namespace, "found", store=team.store, dataFrom=found))

    team.holds("found", **{f"api-{n}": json.dumps({"token": team.word(n)}, separators=(",", ":")) for n in "ab"})


def test_a_refresh_with_nothing_new_reads_each_secret_once_and_writes_nothing(team):
    team.put("shared", password=team.word("shared"))
    data = [{"secretKey": "password", "remoteRef": {"key": "shared", "property": "password"}}]
    many = [external_secret(team.namespace, f"s{n}", store=team.store, data=data, every="2s") for n in range(20)]
    team.world.apply_all(many)
    for n in range(20):
        team.says("Synced", f"s{n}")
    written, syncs = team.world.writes(team.namespace), team.world.syncs()
    team.proxy.wire.clear()

    team.world.await_syncs(syncs + 60)

    reads, done = team.proxy.counts().get("read data", 0), team.world.syncs() - syncs
    assert team.world.writes(team.namespace) == written
    assert 1 <= reads <= done / 20 + 2  # a beat is a read for all twenty; each for itself would be twenty times that


@contextmanager
def sealed(team: Team) -> Iterator[None]:
    team.vault.seal()
    try:
        yield
    finally:
        team.vault.unseal()


@contextmanager
def down(team: Team) -> Iterator[None]:
    team.proxy.wire.down()
    try:
        yield
    finally:
        team.proxy.wire.up()


WAYS = {"sealed": sealed, "down": down, "silent": lambda team: team.proxy.wire.silence()}
TELLING = {"sealed": "Vault is sealed", "down": "cannot connect", "silent": "does not answer in time"}


@pytest.mark.parametrize("way", WAYS)
def test_a_vault_that_fails_costs_no_secret_and_is_followed_again_soon_after(team, way):
    team.put("db", password=team.word("good"))
    team.declare()
    team.holds(password=team.word("good"))
    before = team.world.get("Secret", team.namespace, "db")
    team.put("db", password=team.word("new"))

    with WAYS[way](team):
        team.world.annotate("ExternalSecret", team.namespace, "db", {"keyferry.dev/refresh": "now"})
        assert TELLING[way] in team.says("BackendUnavailable")
        assert team.world.get("Secret", team.namespace, "db") == before

    team.holds(password=team.word("new"), within=SOON)
    team.says("Synced")


def test_what_is_deleted_in_vault_is_told_and_the_secret_stays(team):
    team.put("db", password=team.word("good"))
    team.declare(every="1s")
    team.holds(password=team.word("good"))

    team.vault.request("DELETE", f"{team.engine}/data/acme/{team.namespace}/db")

    assert "version 1 of" in team.says("RemoteSecretMissing", telling="is deleted: undelete it")
    team.holds(password=team.word("good"))


def test_another_service_accounts_token_is_refused(team):
    ca = {"type": "Secret", "name": "vault-ca", "key": "ca.crt"}
    auth = {"method": "Kubernetes", "mount": reviewed(team), "role": "reads", "serviceAccountRef": {"name": "intruder"}}
    said = team.own("AuthFailed", auth, caProvider=ca)
    assert f"ServiceAccount {team.namespace}/intruder: the role is bound to other ServiceAccounts" in said


def test_a_token_is_verified_by_the_clusters_keys(team):
    ca = {"type": "Secret", "name": "vault-ca", "key": "ca.crt"}
    auth = {"method": "JWT", "mount": verified(team), "role": "reads", "serviceAccountRef": {"name": "reader"}}
    assert "audience" in team.own("AuthFailed", {**auth, "audience": "elsewhere"}, caProvider=ca)
    team.own("Ready", auth, caProvider=ca)
    team.put("db", password=team.word("value"))
    keys = [{"secretKey": "password", "remoteRef": {"key": "db", "property": "password"}}]
    team.world.apply(external_secret(team.namespace, "mine", store="own", kind="SecretStore", data=keys))
    team.holds("mine", password=team.word("value"))


def test_a_token_in_a_secret_is_exchanged_within_seconds(team):
    ca = {"type": "ConfigMap", "name": "vault-ca", "key": "ca.crt"}
    auth = {"method": "Token", "secretRef": {"name": "login", "key": "token"}}
    team.world.apply(secret(team.namespace, "login", {"token": "hvs.nothing"}))
    assert "the token is wrong, spent, or was revoked" in team.own("AuthFailed", auth, caProvider=ca)

    team.world.apply(secret(team.namespace, "login", {"token": team.vault.token(policy(team))}))

    team.world.await_ready(team.namespace, "own", "Ready", kind="SecretStore", within=SOON)


def test_an_address_that_was_not_allowed_is_not_asked(team):
    auth = {"method": "Token", "secretRef": {"name": "login", "key": "token"}}
    said = team.own("SpecInvalid", auth, server=team.proxy.url.replace("127.0.0.1", "localhost"))
    assert "may not send requests to https://localhost:" in said


def test_an_authority_that_is_not_there_or_not_the_right_one_is_told(team):
    auth = {"method": "Token", "secretRef": {"name": "login", "key": "token"}}
    team.world.apply(secret(team.namespace, "login", {"token": team.vault.token(policy(team))}))
    assert f"ConfigMap {team.namespace}/other is not there" in team.own(
        "CredentialsMissing", auth, caProvider={"type": "ConfigMap", "name": "other", "key": "ca.crt"}
    )
    assert "an authority that is not trusted" in team.own("BackendUnavailable", auth)
