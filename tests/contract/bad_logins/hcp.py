"""What can be wrong with the login to HCP Vault Secrets."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from keyferry.api.providers.hcp import HcpAuth
from keyferry.backends.hcp import HcpBackend
from keyferry.errors import BackendUnavailable, PermissionDenied
from tests.contract.bad_logins.table import Bad, Case, Login, Scene, Table, Way
from tests.contract.hcp_stores import APP, CA, DB, PRINCIPAL, holding, store
from tests.standins.hcp import HcpStandIn, refuses

NOWHERE = "00000000-0000-0000-0000-000000000000"


@dataclass
class World:
    scene: Scene
    standin: HcpStandIn
    ref = DB

    def store(self, way: Way | None = None, spec: dict[str, Any] | None = None, **login: str) -> HcpBackend:
        cluster = holding(self.standin, **{**self.standin.service_principal(), **login})
        if way is None:
            return store(self.standin, cluster=cluster, spec=spec)
        if way.authority:
            cluster.secrets = {**cluster.secrets, CA: {"ca.crt": way.authority}}
        at = f"https://{way.address}"
        return store(self.standin, cluster=cluster, spec={"endpoint": at, "authEndpoint": at}, timeout=way.timeout)

    def refusing_tokens(self) -> "World":
        self.scene.stack.enter_context(self.standin.wire.failing(refuses(401, "canary"), "/secrets"))
        return self


@asynccontextmanager
async def world(scene: Scene) -> AsyncIterator[World]:
    standin = scene.stack.enter_context(HcpStandIn())
    standin.put(DB.id, "v")
    yield World(scene, standin)


def wrong(key: str) -> Callable[[World], HcpBackend]:
    """A store whose Secret holds another word at this key."""
    return lambda world: world.store(None, None, **{key: "canary"})


TABLE = Table(
    world,
    frozenset({HcpAuth.__name__}),
    {
        HcpAuth.__name__: Login(
            {
                Case.SECRET: [
                    Bad(
                        wrong(key),
                        f"{PRINCIPAL}: there is no such client ID, or the client secret is not, or not any more, one "
                        "of it (status 401 of {world.standin.host})",
                        name=key,
                    )
                    for key in ("clientId", "clientSecret")
                ],
                Case.EXPIRED: [
                    Bad(
                        lambda world: world.refusing_tokens().store(),
                        f"{{world.standin.host}} does not accept the token of {PRINCIPAL}: it is spent, or was revoked",
                    )
                ],
                Case.TENANT: [
                    Bad(
                        lambda world: world.store(None, {"organization": NOWHERE}),
                        f"{PRINCIPAL} may not do this in {APP}: give it the role App secrets reader "
                        "(roles/secrets.app-secret-reader) there, or check organization and project",
                        PermissionDenied,
                        "organization",
                    ),
                    Bad(
                        lambda world: world.store(None, {"project": NOWHERE}),
                        f"{PRINCIPAL} may not do this in app shop of project {NOWHERE}",
                        PermissionDenied,
                        "project",
                    ),
                    Bad(
                        lambda world: world.store(None, {"app": "nowhere"}),
                        "there is no app nowhere of project",
                        BackendUnavailable,
                        "app",
                    ),
                ],
            },
            World.store,
        ),
    },
)
