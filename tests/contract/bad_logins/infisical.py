"""What can be wrong with a login to Infisical."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from keyferry.api.providers.infisical import InfisicalMethod
from keyferry.backends.infisical import InfisicalBackend
from keyferry.errors import SpecInvalid
from tests.contract.bad_logins.table import Bad, Case, Login, Scene, Table, Way
from tests.contract.bad_logins.tokens import dated, forged
from tests.contract.context import SeededCluster
from tests.contract.infisical_stores import CA, DB, LOGIN, SERVICE_TOKEN, UNIVERSAL, client, holding, reviewed, store
from tests.contract.vault_stores import token_of
from tests.standins.infisical import InfisicalStandIn
from tests.standins.infisical_wire import refuses

HOUR = 3600.0
KEY = f"the identity in Secret payments/{LOGIN}: "
ACCOUNT = "with the token of ServiceAccount payments/keyferry: "
SERVICE = f"does not accept the service token in Secret payments/{LOGIN}: "
NO_PROJECT = {"project": "00000000-0000-0000-0000-000000000000"}
NO_ENVIRONMENT = {"environment": "nowhere"}


@dataclass
class World:
    scene: Scene
    standin: InfisicalStandIn
    ref = DB

    def universal(self, way: Way | None = None, spec: dict[str, Any] | None = None, **login: str) -> InfisicalBackend:
        return self.store(UNIVERSAL, holding(self.standin, **{**client(self.standin), **login}), way, spec)

    def kubernetes(
        self,
        way: Way | None = None,
        *,
        spec: dict[str, Any] | None = None,
        identity: str = "",
        make: Callable[..., str] = token_of,
    ) -> InfisicalBackend:
        """`make`: the ServiceAccount's token."""
        known = self.standin.kubernetes_auth(reviewed)
        login = {"method": "Kubernetes", "identityId": identity or known, "serviceAccountRef": {"name": "keyferry"}}
        cluster = holding(self.standin)
        cluster.token_for = make
        return self.store(login, cluster, way, spec)

    def service(self, way: Way | None = None, *, token: str = "", life: float = HOUR, **spec: Any) -> InfisicalBackend:
        given = token or self.standin.service_token(("prod", "/"), life=life)
        place = {"project": None, "environment": None, **spec}
        return self.store(SERVICE_TOKEN, holding(self.standin, token=given), way, place)

    def refusing(self, words: str) -> "World":
        """Logins are refused with these words of Infisical's."""
        self.scene.stack.enter_context(self.standin.wire.failing(refuses(401, words, "UnauthorizedError"), "/login"))
        return self

    def store(
        self, auth: dict[str, Any], cluster: SeededCluster, way: Way | None, spec: dict[str, Any] | None
    ) -> InfisicalBackend:
        if way is None:
            return store(self.standin, auth, cluster=cluster, spec=spec)
        if way.authority:
            cluster.secrets = {**cluster.secrets, CA: {"ca.crt": way.authority}}
        place = {**(spec or {}), "siteUrl": f"https://{way.address}"}
        return store(self.standin, auth, cluster=cluster, spec=place, timeout=way.timeout)


def wrong_client(key: str) -> Callable[[World], InfisicalBackend]:
    """A store whose Secret holds another word at this key."""
    return lambda world: world.universal(None, None, **{key: "canary"})


def wrong_end(standin: InfisicalStandIn) -> str:
    """A service token with an ID that is known, and another secret."""
    identity = standin.service_token(("prod", "/")).split(".")[1]
    return f"st.{identity}.canary.k"


@asynccontextmanager
async def world(scene: Scene) -> AsyncIterator[World]:
    standin = scene.stack.enter_context(InfisicalStandIn())
    standin.put(DB.id, "v")
    yield World(scene, standin)


TABLE = Table(
    world,
    frozenset(InfisicalMethod),
    {
        "UniversalAuth": Login(
            {
                Case.SECRET: [
                    Bad(
                        wrong_client(wrong),
                        KEY + "there is no such client ID, or the client secret is not, or not any more, one of it",
                        name=wrong,
                    )
                    for wrong in ("clientId", "clientSecret")
                ],
                Case.EXPIRED: [
                    Bad(
                        lambda world: world.refusing("Access denied due to expired client secret").universal(),
                        KEY + "the client secret has expired: make another",
                    )
                ],
                Case.TENANT: [
                    Bad(
                        lambda world: world.universal(spec=NO_PROJECT),
                        "Infisical has no project as in folder / of environment prod, project 00000000-",
                        SpecInvalid,
                        "project",
                    ),
                    Bad(
                        lambda world: world.universal(spec=NO_ENVIRONMENT),
                        "Infisical has no folder as in folder / of environment nowhere, project ",
                        SpecInvalid,
                        "environment",
                    ),
                ],
            },
            World.universal,
        ),
        "Kubernetes": Login(
            {
                Case.SECRET: [
                    Bad(
                        lambda world: world.kubernetes(make=lambda *to: forged(token_of(*to))),
                        ACCOUNT + "the API server does not accept its token",
                    )
                ],
                Case.EXPIRED: [
                    Bad(
                        lambda world: world.kubernetes(make=dated(token_of, iat=-2 * HOUR, exp=-HOUR)),
                        ACCOUNT + "its token's time is over; a clock may be off",
                    )
                ],
                Case.TENANT: [
                    Bad(
                        lambda world: world.kubernetes(identity="nobody"),
                        ACCOUNT + "there is no such identity, or it has not this login",
                        name="identity",
                    ),
                    Bad(
                        lambda world: world.kubernetes(spec=NO_PROJECT),
                        "Infisical has no project as in folder / of environment prod, project 00000000-",
                        SpecInvalid,
                        "project",
                    ),
                ],
                Case.CLOCK: [
                    Bad(
                        lambda world: world.kubernetes(make=dated(token_of, iat=HOUR, nbf=HOUR, exp=2 * HOUR)),
                        ACCOUNT + "its token's time has not come; a clock may be off",
                    )
                ],
            },
            World.kubernetes,
        ),
        "ServiceToken": Login(
            {
                Case.SECRET: [
                    Bad(
                        lambda world: world.service(token="st.canary.canary"),
                        SERVICE + "there is no such service token: it was deleted, or it has expired: make another",
                        name="unknown",
                    ),
                    Bad(
                        lambda world: world.service(
                            token=world.standin.service_token(("prod", "/"))[:-40] + "canary.c"
                        ),
                        SERVICE + "there is a service token with this ID, and its secret is another",
                        name="its secret",
                    ),
                ],
                Case.EXPIRED: [
                    Bad(lambda world: world.service(life=-HOUR), SERVICE + "it has expired: make another"),
                ],
                Case.TENANT: [
                    Bad(
                        lambda world: world.service(**NO_PROJECT),
                        "spec.provider.infisical.project: the service token is for another: leave project out",
                        SpecInvalid,
                        "project",
                    ),
                    Bad(
                        lambda world: world.service(**NO_ENVIRONMENT),
                        "spec.provider.infisical.environment: the service token is for prod",
                        SpecInvalid,
                        "environment",
                    ),
                ],
            },
            World.service,
        ),
    },
)
