"""What can be wrong with a login to Google: at STS, or, where a key signs or it is the pod's own, at the service."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from google.auth.compute_engine import _metadata

from keyferry.api.providers.gcp import GcpAuth
from keyferry.backends.gcp import GcpBackend
from keyferry.errors import BackendUnavailable, PermissionDenied
from keyferry.values import Ref
from tests.contract import bare
from tests.contract.bad_logins.listening import silence
from tests.contract.bad_logins.table import Bad, Case, Login, Scene, Table, Way
from tests.contract.bad_logins.tokens import dated, forged
from tests.contract.context import SeededCluster
from tests.contract.gcp_stores import KEY, PROVIDER, SUBJECT, holding, signed, store, trusting
from tests.standins.gcp import GcpStandIn
from tests.standins.gcp_iam import EVERYTHING
from tests.standins.gcp_metadata import MetadataServer
from tests.standins.gcp_wire import error

HOUR = 3600.0
LOGIN = "the service account key in Secret payments/gcp, key key.json"
TOKEN = "the token of ServiceAccount payments/keyferry: "
LATE = "it came too early or too late; the operator's clock may be off"
REFUSED = (
    "{world.standin.host} does not accept "
    + LOGIN
    + ": it is wrong, was deleted or disabled, or the operator's clock is off"
)
NOBODY = "nobody@acme-prod.iam.gserviceaccount.com"
POOL = PROVIDER.replace("/production", "/nowhere")


@dataclass
class World:
    scene: Scene
    standin: GcpStandIn
    reader: str  # a Google service account
    ref = Ref("db")

    def key(self, way: Way | None = None, key: bytes | None = None, **spec: Any) -> GcpBackend:
        return self.store(KEY, holding(self.standin, key), way, spec)

    def federated(
        self, way: Way | None = None, make: Callable[..., str] = signed, provider: str = PROVIDER, **spec: Any
    ) -> GcpBackend:
        auth = {"workloadIdentity": {"serviceAccountRef": {"name": "keyferry"}, "provider": provider}}
        return self.store(auth, SeededCluster(holding(self.standin).secrets, make), way, spec)

    def impersonating(
        self, way: Way | None = None, make: Callable[..., str] = signed, who: str = "", **spec: Any
    ) -> GcpBackend:
        login = {"serviceAccountRef": {"name": "keyferry"}, "provider": PROVIDER, "impersonate": who or self.reader}
        cluster = SeededCluster(holding(self.standin).secrets, make)
        return self.store({"workloadIdentity": login}, cluster, way, spec)

    def pod(self, way: Way | None = None, **spec: Any) -> GcpBackend:
        """A store with the identity of the operator's pod."""
        metadata = self.scene.stack.enter_context(MetadataServer(self.standin.iam, self.standin.admin.email))
        metadata.found_by(self.scene.environment)
        return self.store(None, holding(self.standin), way, spec, ambient=True)

    def lost(self) -> GcpBackend:
        """A store with the identity of the operator's pod, where the metadata server says nothing."""
        backend = self.pod(Way(self.standin.host, timeout=1.5), authEndpoint=self.standin.auth_url)
        address = self.scene.stack.enter_context(silence())
        self.scene.environment.setenv("GCE_METADATA_IP", address)
        self.scene.environment.setattr(_metadata, "_GCE_METADATA_HOST", address)
        return backend

    def stranger(self) -> bytes:
        """The key of another service account, under the name of one that is known."""
        other = self.standin.iam.account("other").key_file
        return other(client_email=self.standin.admin.email)

    def deleted(self) -> "World":
        del self.standin.iam.accounts[self.standin.admin.email]
        return self

    def ahead(self, seconds: float) -> "World":
        """Google's clock is that much ahead of ours."""
        self.standin.iam.clock = lambda: time.time() + seconds
        return self

    def refusing_tokens(self) -> "World":
        self.scene.stack.enter_context(self.standin.faults.during("*", error("UNAUTHENTICATED", "canary")))
        return self

    def store(
        self, auth: dict[str, Any] | None, held: SeededCluster, way: Way | None, spec: dict[str, Any], **around: Any
    ) -> GcpBackend:
        if way is None:
            return store(self.standin, auth, cluster=held, spec=spec, **around)
        if way.authority:
            held.secrets = {"gcp": {**held.secrets["gcp"], "ca.crt": way.authority}}
        at = f"https://{way.address}"
        place = {"endpoint": at, "authEndpoint": at, **spec}
        return store(self.standin, auth, cluster=held, spec=place, timeout=way.timeout, **around)


@asynccontextmanager
async def world(scene: Scene) -> AsyncIterator[World]:
    bare.of_google(scene.environment, scene.folder)
    standin = scene.stack.enter_context(GcpStandIn())
    standin.put("db", b"v")
    trusting(standin)
    standin.iam.allow(SUBJECT, EVERYTHING)
    yield World(scene, standin, standin.iam.account("reader").email)


def _no_project(make: Callable[..., GcpBackend]) -> Bad:
    words = "there is no such project, or it is not active"
    return Bad(lambda world: make(world, projectId="no-such-project"), words, PermissionDenied, "project")


def _of_token(make: Callable[..., GcpBackend]) -> dict[Case, list[Bad]]:
    return {
        Case.SECRET: [
            Bad(
                lambda world: make(world, make=lambda *to: forged(signed(*to))),
                TOKEN + f"it is not signed with a key that the issuer of {PROVIDER} publishes",
            )
        ],
        Case.EXPIRED: [Bad(lambda world: make(world, make=dated(signed, iat=-2 * HOUR, exp=-HOUR)), TOKEN + LATE)],
        Case.CLOCK: [
            Bad(lambda world: make(world, make=dated(signed, iat=HOUR, nbf=HOUR, exp=2 * HOUR)), TOKEN + LATE)
        ],
    }


TABLE = Table(
    world,
    frozenset({*(each.alias or name for name, each in GcpAuth.model_fields.items()), "none"}),
    {
        "serviceAccountKeySecretRef": Login(
            {
                Case.SECRET: [Bad(lambda world: world.key(key=world.stranger()), REFUSED)],
                Case.EXPIRED: [Bad(lambda world: world.deleted().key(), REFUSED)],
                Case.TENANT: [_no_project(World.key)],
                Case.CLOCK: [
                    Bad(lambda world: world.ahead(HOUR + 600).key(), REFUSED, name="behind"),
                    Bad(lambda world: world.ahead(-HOUR - 600).key(), REFUSED, name="ahead"),
                ],
            },
            World.key,
        ),
        "workloadIdentity": Login(
            {
                **_of_token(World.federated),
                Case.TENANT: [
                    Bad(
                        lambda world: world.federated(provider=POOL),
                        TOKEN + f"there is no provider {POOL}, or it or its pool is disabled",
                        name="pool",
                    ),
                    _no_project(World.federated),
                ],
            },
            World.federated,
        ),
        "workloadIdentity of a service account": Login(
            {
                **_of_token(World.impersonating),
                Case.TENANT: [
                    Bad(
                        lambda world: world.impersonating(who=NOBODY),
                        f"cannot act as {NOBODY}: there is no such service account",
                        name="service account",
                    ),
                    _no_project(World.impersonating),
                ],
            },
            World.impersonating,
        ),
        "none": Login(
            {
                Case.SECRET: "the metadata server takes no secret",
                Case.ADDRESS: [
                    Bad(
                        World.lost,
                        "the operator's own Google credentials: whoever hands them over does not answer in time",
                        BackendUnavailable,
                    )
                ],
                Case.EXPIRED: [
                    Bad(
                        lambda world: world.refusing_tokens().pod(),
                        "{world.standin.host} does not accept the operator's own Google credentials: ",
                    )
                ],
                Case.TENANT: [_no_project(World.pod)],
            },
            World.pod,
        ),
    },
)
