"""What can be wrong with a login to Azure: at Entra, or, with the operator's own identity, at the vault."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from keyferry.api.providers.azure import _LOGINS
from keyferry.backends.azure import AzureBackend
from keyferry.values import Ref
from tests.contract import bare
from tests.contract.azure_stores import CA, LOGIN, client_secret, cluster, signed, store, trusting
from tests.contract.bad_logins.listening import silence
from tests.contract.bad_logins.table import Bad, Case, Login, Scene, Table, Way
from tests.contract.bad_logins.tokens import dated, forged
from tests.contract.context import SeededCluster
from tests.standins.azure import AzureStandIn
from tests.standins.azure_faults import entra, error
from tests.standins.azure_tls import Identity

HOUR = 3600.0
SECRET = f"the client secret in Secret payments/{LOGIN}: "
CERTIFICATE = f"the certificate in Secret payments/{LOGIN}: "
TOKEN = "the token of ServiceAccount payments/keyferry: "
NOT_NOW = "it is not valid now: the operator's clock is off, or its time is over"
NO_TENANT = "there is no tenant no-such at {world.standin.host}: check tenantId"


@dataclass
class World:
    scene: Scene
    standin: AzureStandIn
    identity: str = ""  # the operator's managed one
    ref = Ref("db")

    def secret(self, way: Way | None = None, secret: str = "", **auth: str) -> AzureBackend:
        held = cluster(self.standin, secret=(secret or self.standin.secret).encode())
        return self.store({**client_secret(self.standin), **auth}, held, way)

    def certificate(self, way: Way | None = None, *, unknown: bool = False, days: int = 2, **auth: str) -> AzureBackend:
        identity = Identity.new(days=days)
        app = self.standin.entra.app(certificates=[] if unknown else [identity.certificate])
        self.standin.grant(app.client_id, {"*"})
        ref = {"name": LOGIN, "key": "certificate"}
        login = {"tenantId": self.standin.tenant, "clientId": app.client_id, "clientCertificateRef": ref, **auth}
        return self.store(login, cluster(self.standin, certificate=identity.pem), way)

    def federated(self, way: Way | None = None, make: Callable[..., str] = signed, **auth: str) -> AzureBackend:
        app = trusting(self.standin)
        login = {"tenantId": self.standin.tenant, "clientId": app.client_id, "serviceAccountRef": {"name": "keyferry"}}
        return self.store({**login, **auth}, SeededCluster(cluster(self.standin).secrets, make), way)

    def managed(self, way: Way | None = None, client_id: str = "") -> AzureBackend:
        """A store with the operator's managed identity."""
        app = self.standin.entra.app(managed=True)
        self.identity = app.client_id
        self.standin.grant(app.client_id, {"*"})
        for name, value in self.standin.node.items():
            self.scene.environment.setenv(name, value)
        auth = {"managedIdentity": {}, "clientId": client_id or app.client_id}
        return self.store(auth, cluster(self.standin), way, ambient=True)

    def lost(self) -> AzureBackend:
        """A store with the operator's managed identity, where the node says nothing."""
        backend = self.managed(Way(self.standin.host, timeout=1.5))
        self.scene.environment.setenv(
            "AZURE_POD_IDENTITY_AUTHORITY_HOST", f"http://{self.scene.stack.enter_context(silence())}"
        )
        return backend

    def chain(self, way: Way | None = None, **changed: str) -> AzureBackend:
        """A store with whatever the SDK finds in the operator's environment: here a client secret."""
        known = {"TENANT_ID": self.standin.tenant, "CLIENT_ID": self.standin.reader.client_id}
        for name, value in {**known, "CLIENT_SECRET": self.standin.secret, **changed}.items():
            self.scene.environment.setenv(f"AZURE_{name}", value)
        return self.store(None, cluster(self.standin), way, ambient=True)

    def ahead(self, seconds: float) -> "World":
        """Entra's clock is that much ahead of ours."""
        self.standin.entra.ahead = seconds
        return self

    def failing(self, action: str, fault: Any) -> "World":
        self.scene.stack.enter_context(self.standin.faults.during(action, fault))
        return self

    def refusing_tokens(self) -> "World":
        """The vault accepts nobody's token."""
        refusal = error(401, "Unauthorized", "canary")
        return self.failing("GetSecret", refusal).failing("ListSecrets", refusal)

    def store(
        self, auth: dict[str, Any] | None, held: SeededCluster, way: Way | None, *, ambient: bool = False
    ) -> AzureBackend:
        spec: dict[str, Any] = {"auth": auth}
        if way is None:
            return store(self.standin, cluster=held, spec=spec, ambient=ambient)
        if way.authority:
            held.secrets = {**held.secrets, CA: {"ca.crt": way.authority}}
        at = f"https://{way.address}"
        spec |= {"vault": at, "authorityHost": at}
        return store(self.standin, cluster=held, spec=spec, ambient=ambient, timeout=way.timeout)


@asynccontextmanager
async def world(scene: Scene) -> AsyncIterator[World]:
    bare.of_azure(scene.environment, scene.folder)
    standin = scene.stack.enter_context(AzureStandIn())
    standin.put("db", "v")
    yield World(scene, standin)


def _refused_by_vault(make: Callable[[World], AzureBackend], whose: str, name: str = "") -> Bad:
    words = (
        f"vault {{world.standin.host}} does not accept the token of {whose} (Unauthorized): is the "
        "vault in another tenant"
    )
    return Bad(lambda world: make(world.refusing_tokens()), words, name=name)


TABLE = Table(
    world,
    frozenset({*_LOGINS, "none"}),
    {
        "clientSecretRef": Login(
            {
                Case.SECRET: [
                    Bad(
                        lambda world: world.secret(secret="canary"),
                        SECRET
                        + "it is not the application's. What is needed is the secret's value, not its ID (AADSTS",
                    )
                ],
                Case.EXPIRED: [
                    Bad(
                        lambda world: world.failing("GetToken", entra(7000222, "canary")).secret(),
                        SECRET + "its time is over: add a new client secret to the application (AADSTS7000222)",
                    )
                ],
                Case.TENANT: [
                    Bad(lambda world: world.secret(tenantId="no-such"), SECRET + NO_TENANT, name="tenant"),
                    Bad(
                        lambda world: world.secret(clientId="no-such"),
                        SECRET
                        + "tenant {world.standin.tenant} has no application no-such: check clientId and tenantId",
                        name="application",
                    ),
                    _refused_by_vault(World.secret, SECRET.removesuffix(": "), "vault"),
                ],
            },
            World.secret,
        ),
        "clientCertificateRef": Login(
            {
                Case.SECRET: [
                    Bad(
                        lambda world: world.certificate(unknown=True),
                        "does not know this certificate, or its time is over: upload it there",
                    )
                ],
                Case.EXPIRED: [
                    Bad(lambda world: world.certificate(days=-1), "does not know this certificate, or its time is over")
                ],
                Case.TENANT: [Bad(lambda world: world.certificate(tenantId="no-such"), CERTIFICATE + NO_TENANT)],
                Case.CLOCK: [
                    Bad(lambda world: world.ahead(HOUR).certificate(), CERTIFICATE + NOT_NOW, name="behind"),
                    Bad(lambda world: world.ahead(-HOUR).certificate(), CERTIFICATE + NOT_NOW, name="ahead"),
                ],
            },
            World.certificate,
        ),
        "serviceAccountRef": Login(
            {
                Case.SECRET: [
                    Bad(
                        lambda world: world.federated(make=lambda *to: forged(signed(*to))),
                        TOKEN + "it is not signed with a key that the cluster's issuer publishes",
                    )
                ],
                Case.EXPIRED: [Bad(lambda world: world.federated(make=dated(signed, exp=-HOUR)), TOKEN + NOT_NOW)],
                Case.TENANT: [Bad(lambda world: world.federated(tenantId="no-such"), TOKEN + NO_TENANT)],
                Case.CLOCK: [
                    Bad(lambda world: world.federated(make=dated(signed, nbf=HOUR, exp=2 * HOUR)), TOKEN + NOT_NOW),
                    Bad(lambda world: world.ahead(HOUR).federated(), TOKEN + NOT_NOW, name="behind"),
                ],
            },
            World.federated,
        ),
        "managedIdentity": Login(
            {
                Case.SECRET: [
                    Bad(
                        lambda world: world.managed(client_id="no-such"),
                        "the operator's managed identity no-such: Azure's SDK finds none in the operator's pod",
                    )
                ],
                Case.EXPIRED: [_refused_by_vault(World.managed, "the operator's managed identity {world.identity}")],
                Case.ADDRESS: [
                    Bad(
                        World.lost,
                        "managed identity {world.identity}: Azure's SDK finds none in the operator's pod",
                    )
                ],
                Case.TENANT: "a managed identity belongs to its own tenant, which nobody writes",
            },
            World.managed,
        ),
        "none": Login(
            {
                Case.SECRET: [
                    Bad(
                        lambda world: world.chain(CLIENT_SECRET="canary"),
                        "the operator's own Azure credentials: it is not the application's",
                    )
                ],
                Case.EXPIRED: [
                    Bad(
                        lambda world: world.failing("GetToken", entra(7000222, "canary")).chain(),
                        "the operator's own Azure credentials: its time is over",
                    )
                ],
                Case.TENANT: [
                    Bad(
                        lambda world: world.chain(TENANT_ID="no-such"),
                        "the operator's own Azure credentials: there is no tenant ",
                    )
                ],
            },
            World.chain,
        ),
    },
)
