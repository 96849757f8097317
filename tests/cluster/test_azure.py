"""Azure Key Vault in a real cluster: the API server's own tokens log in, and nothing but Secrets ever holds a value."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.canaries import Canaries, escaped
from tests.cluster.manifests import external_secret, secret, secret_store, shared_store
from tests.cluster.mode import Reach, SharedStore
from tests.cluster.world import World, world_of
from tests.controlplane import ControlPlane
from tests.standins.azure import AzureStandIn
from tests.standins.azure_entra import App, Trust
from tests.standins.azure_faults import body, entra, error
from tests.standins.azure_vaults import SECRETS_USER

ISSUER, AUDIENCE = "https://kubernetes.default.svc", "api://AzureADTokenExchange"


@pytest.fixture(scope="module")
def world(plane: ControlPlane, crds: None, tmp_path_factory: pytest.TempPathFactory, reach: Reach) -> Iterator[World]:
    """An operator that logs all that it ever logs, and whose tenants may ask this machine by its number only."""
    values = {"log": {"level": "debug", "format": "json"}, "allowedEndpoints": ["https://127.0.0.1:*"]}
    with world_of(plane, tmp_path_factory.mktemp("operator"), values, reach=reach) as made:
        made.start()
        yield made


@dataclass(slots=True)
class Tenant:
    """A namespace, a vault, and an application that trusts the namespace's ServiceAccount `reader`."""

    world: World
    azure: AzureStandIn
    namespace: str
    app: App
    canaries: Canaries

    @property
    def store(self) -> SharedStore:
        return self.world.shared(self.namespace, f"azure-{self.namespace}")

    def put(self, key: str, value: str) -> None:
        """Give the vault a secret for this namespace under that key, or a new value of it."""
        self.azure.put(f"{self.namespace}--{key}", value, {"namespace": self.namespace, "key": key})

    def provider(self, login: dict[str, Any], *, cluster: bool = True) -> dict[str, Any]:
        """The vault as a provider; what it needs is in Secrets of the namespace."""
        where = {"namespace": self.namespace} if cluster else {}
        named = {field: each | where if isinstance(each, dict) else each for field, each in login.items()}
        auth = {"tenantId": self.azure.tenant, "clientId": self.app.client_id, **named}
        ca = {"type": "Secret", "name": "azure-ca", "key": "ca.crt", **where}
        place = {"vault": self.azure.url, "authorityHost": self.azure.authority}
        return {"azure": {**place, "auth": auth, "caProvider": ca}}

    def configure(self, login: dict[str, Any], reason: str) -> str:
        """Apply the shared store with this login; its message, once it has that reason."""
        self.world.apply(shared_store(self.store, self.provider(login), refresh={"timeout": "2s"}))
        return self.world.await_store(self.store, reason).message

    def declare(self, **spec: Any) -> None:
        """Apply an ExternalSecret of the shared store."""
        self.world.apply(external_secret(self.namespace, store=self.store, every="1s", **spec))

    def holds(self, value: str) -> None:
        """Return when the Secret holds just this."""
        self.world.await_secret(self.namespace, "db", {"value": value.encode()})


ACCOUNT = {"serviceAccountRef": {"name": "reader"}}
SECRET = {"clientSecretRef": {"name": "azure-login", "key": "secret"}}


@pytest.fixture
def tenant(world: World) -> Iterator[Tenant]:
    """When its test ends, no canary has escaped."""
    namespace, canaries = world.namespace(), Canaries()
    with AzureStandIn() as azure:
        jwks = world.plane.request("GET", "/openid/v1/jwks")
        trust = Trust.of_jwks(jwks, f"system:serviceaccount:{namespace}:reader", ISSUER, AUDIENCE)
        app = azure.entra.app(canaries.word("login"), trusts=[trust])
        azure.grant(app.client_id, SECRETS_USER)
        for name in ("reader", "intruder"):
            world.account(namespace, name, AUDIENCE)
        world.apply(secret(namespace, "azure-ca", {"ca.crt": azure.ca.pem}))
        world.apply(secret(namespace, "azure-login", {"secret": canaries.word("login")}))
        yield (made := Tenant(world, azure, namespace, app, canaries))
        try:
            assert escaped(world, canaries) == {}
            tokens = [call.headers["authorization"] for call in azure.calls if "authorization" in call.headers]
            assert tokens
            assert not [token for token in tokens if token.removeprefix("Bearer ") in world.operator.log]
        finally:
            world.clear(namespace)
            world.delete(*made.store.place)


def test_a_value_travels_with_the_api_servers_own_token_and_its_rotation_follows(tenant: Tenant):
    tenant.put("db", tenant.canaries.word("first"))
    tenant.configure(ACCOUNT, "Ready")

    tenant.declare()

    tenant.holds(tenant.canaries.word("first"))
    tenant.put("db", tenant.canaries.word("second"))
    tenant.holds(tenant.canaries.word("second"))
    assert tenant.azure.counts()["GetToken"] == 1


def test_another_service_accounts_token_is_refused_with_what_the_application_must_trust(tenant: Tenant):
    said = tenant.configure({"serviceAccountRef": {"name": "intruder"}}, "AuthFailed")

    assert f"the token of ServiceAccount {tenant.namespace}/intruder: application {tenant.app.client_id}" in said
    assert f"the subject system:serviceaccount:{tenant.namespace}:intruder and the audience {AUDIENCE}" in said
    tenant.configure(ACCOUNT, "Ready")


def test_a_team_cannot_point_its_own_store_at_a_host_that_nobody_allowed(tenant: Tenant):
    provider, elsewhere = tenant.provider(SECRET, cluster=False), tenant.azure.url.replace("127.0.0.1", "localhost")
    provider["azure"]["vault"] = elsewhere
    tenant.world.apply(secret_store(tenant.namespace, "own", provider))
    said = tenant.world.await_ready(tenant.namespace, "own", "SpecInvalid", kind="SecretStore").message

    assert f"--allow-endpoint={elsewhere}" in said
    assert tenant.azure.calls == []
    tenant.configure(SECRET, "Ready")


def test_a_vault_and_an_entra_that_recite_what_they_know_are_not_quoted(tenant: Tenant):
    word, azure = tenant.canaries.word("value"), tenant.azure
    tenant.put("db", word)
    tenant.configure(SECRET, "Ready")
    tenant.declare()
    tenant.holds(word)

    for fault in (
        body(f"<html>{word}</html>".encode()),
        error(403, "Forbidden", word, "ForbiddenByRbac"),
        error(500, word, word, word),
        error(429, word, word, retry_after="1"),
        error(401, "Unauthorized", word),  # the last, since a login that is refused is not tried in a row
    ):
        with azure.faults.during("ListSecrets", fault), azure.faults.during("GetToken", entra(7000215, word)):
            calls = len(azure.calls)
            tenant.put("db", word + "x")
            tenant.world.eventually(functools.partial(_asked, azure, calls + 1), what="calls that go wrong")
    tenant.put("db", tenant.canaries.word("after"))

    tenant.holds(tenant.canaries.word("after"))


def test_a_secret_that_is_disabled_leaves_its_secret_as_it_is_and_says_so(tenant: Tenant):
    word = tenant.canaries.word("value")
    tenant.put("db", word)
    tenant.configure(SECRET, "Ready")
    tenant.declare()
    tenant.holds(word)

    tenant.azure.change(f"{tenant.namespace}--db", enabled=False)

    told = tenant.world.await_ready(tenant.namespace, "db", "RemoteSecretUnusable").message
    assert f"secret {tenant.namespace}/db of vault {tenant.azure.host} is disabled: enable it" in told
    tenant.holds(word)


def _asked(azure: AzureStandIn, calls: int) -> bool:
    return len(azure.calls) >= calls
