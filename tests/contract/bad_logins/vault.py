"""What can be wrong with a login to Vault, and to OpenBao."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from keyferry.api.providers.vault import VaultMethod
from keyferry.backends.vault import VaultBackend
from keyferry.errors import AuthFailed, SpecInvalid, SyncError
from tests.contract.aws_stores import SIGNER
from tests.contract.bad_logins.table import Bad, Case, Login, Scene, Table, Way
from tests.contract.bad_logins.tokens import dated, forged
from tests.contract.context import SeededCluster
from tests.contract.vault_stores import (
    CA,
    DB,
    LOGIN,
    TOKEN,
    app_role,
    everything,
    holding,
    jwt_login,
    kubernetes_login,
    store,
    token_of,
    userpass,
    write,
)
from tests.servers import openbao, vault_server
from tests.servers.shared import Shared
from tests.servers.vault_server import VaultServer
from tests.standins.token_review import TokenReviews
from tests.standins.vault_proxy import VaultProxy, refuses

HOUR = 3600
ROLE = "the AppRole with the secret ID in Secret payments/" + LOGIN
ACCOUNT = "role payments with the token of ServiceAccount payments/keyferry: "
NO_NAMESPACE = "spec.provider.vault.namespace: {world.proxy.host} has no such namespace, or not any more"
GIVEN = f"does not accept the token in Secret payments/{LOGIN}: the token is wrong, spent, or was revoked"
Make = Callable[..., str]  # a ServiceAccount's token


@dataclass
class World:
    scene: Scene
    proxy: VaultProxy
    mount: str
    nowhere: Callable[["World"], "World"]  # afterwards there is no namespace `nowhere`
    ref = DB

    @property
    def policy(self) -> str:
        return everything(self.proxy.vault, self.mount)

    def token(self, way: Way | None = None, token: str = "", **spec: Any) -> VaultBackend:
        held = token or self.proxy.vault.token(self.policy)
        return self.store(TOKEN, holding(self.proxy.vault, token=held), way, spec)

    def revoked(self) -> str:
        """A token that was good."""
        token = self.proxy.vault.token(self.policy)
        self.proxy.vault.revoke(token)
        return token

    def app_role(self, way: Way | None = None, secret: str = "", role: str = "", **spec: Any) -> VaultBackend:
        auth, known = app_role(self.proxy.vault, self.policy)
        cluster = holding(self.proxy.vault, **{"secret-id": secret or known})
        return self.store({**auth, **({"role": role} if role else {})}, cluster, way, spec)

    def spent(self) -> VaultBackend:
        """A store with a secret ID that has been used as often as it may be."""
        auth, secret_id = app_role(self.proxy.vault, self.policy, secret_id_num_uses=1)
        at = f"auth/{auth['mount']}/login"
        self.proxy.vault.request("POST", at, {"role_id": auth["role"], "secret_id": secret_id})
        return self.store(auth, holding(self.proxy.vault, **{"secret-id": secret_id}), None, {})

    def userpass(self, way: Way | None = None, wrong: str = "", **spec: Any) -> VaultBackend:
        auth = userpass(self.proxy.vault, self.policy, "right")
        return self.store(auth, holding(self.proxy.vault, password=wrong or "right"), way, spec)

    def jwt(self, way: Way | None = None, make: Make = token_of, **spec: Any) -> VaultBackend:
        return self.store(jwt_login(self.proxy.vault, self.policy), self._with(make), way, spec)

    def kubernetes(self, way: Way | None = None, make: Make = token_of, **spec: Any) -> VaultBackend:
        reviews = self.scene.stack.enter_context(TokenReviews(SIGNER.public_key))
        return self.store(kubernetes_login(self.proxy.vault, self.policy, reviews.url), self._with(make), way, spec)

    def _with(self, make: Make) -> SeededCluster:
        cluster = holding(self.proxy.vault)
        cluster.token_for = make
        return cluster

    def store(
        self, auth: dict[str, Any], cluster: SeededCluster, way: Way | None, spec: dict[str, Any]
    ) -> VaultBackend:
        if way is None:
            return store(self.proxy, self.mount, auth, cluster=cluster, spec=spec)
        if way.authority:
            cluster.secrets = {**cluster.secrets, CA: {"ca.crt": way.authority}}
        place = {**spec, "server": f"https://{way.address}"}
        return store(self.proxy, self.mount, auth, cluster=cluster, spec=place, timeout=way.timeout)


def _enterprise(world: World) -> World:
    """Vault has namespaces in its Enterprise edition only, which says so of one that is not there."""
    fault = refuses(404, 'no handler for route "nowhere/auth/…". route entry not found.')
    world.scene.stack.enter_context(world.proxy.wire.failing(fault))
    return world


def _world(
    server: Shared[VaultServer], nowhere: Callable[[World], World]
) -> Callable[[Scene], AbstractAsyncContextManager[World]]:
    @asynccontextmanager
    async def world(scene: Scene) -> AsyncIterator[World]:
        proxy = scene.stack.enter_context(VaultProxy(server.get()))
        made = World(scene, proxy, proxy.vault.engine(2), nowhere)
        write(proxy, made.mount, password="v")
        yield made

    return world


def no_namespace(make: Callable[..., VaultBackend], words: str, kind: type[SyncError]) -> list[Bad]:
    return [Bad(lambda world: make(world.nowhere(world), namespace="nowhere"), words, kind)]


def _logins(*nobody_there: Any) -> dict[str, Login]:
    """`nobody_there`: what is said of a login in a namespace that is not there."""
    return {
        "Token": Login(
            {
                Case.SECRET: [Bad(lambda world: world.token(token="hvs.canary"), GIVEN)],
                Case.EXPIRED: [Bad(lambda world: world.token(token=world.revoked()), GIVEN)],
                Case.TENANT: no_namespace(World.token, NO_NAMESPACE, SpecInvalid),
            },
            World.token,
        ),
        "AppRole": Login(
            {
                Case.SECRET: [
                    Bad(
                        lambda world: world.app_role(secret="canary"),
                        f"{ROLE}: there is no such role ID, or the secret ID is not, or not any more, one of it",
                        name="secret ID",
                    ),
                    Bad(
                        lambda world: world.app_role(role="no-such-role"),
                        f"{ROLE}: there is no such role ID, or the secret ID is not, or not any more, one of it",
                        name="role ID",
                    ),
                ],
                Case.EXPIRED: [
                    Bad(
                        World.spent,
                        f"{ROLE}: there is no such role ID, or the secret ID is not, or not any more, one of it",
                    )
                ],
                Case.TENANT: no_namespace(World.app_role, *nobody_there),
            },
            World.app_role,
        ),
        "Userpass": Login(
            {
                Case.SECRET: [
                    Bad(
                        lambda world: world.userpass(wrong="canary"),
                        f"user keyferry with the password in Secret payments/{LOGIN}: there is no such user, or the "
                        "password is another",
                    )
                ],
                Case.EXPIRED: "a password of Vault's has no end",
                Case.TENANT: no_namespace(World.userpass, *nobody_there),
            },
            World.userpass,
        ),
        "Kubernetes": Login(
            {
                Case.SECRET: [
                    Bad(
                        lambda world: world.kubernetes(make=lambda *to: forged(token_of(*to))),
                        "is the role bound to just this, and does the API server that Vault asks accept a token?",
                    )
                ],
                Case.EXPIRED: [
                    Bad(
                        lambda world: world.kubernetes(make=dated(token_of, iat=-2 * HOUR, exp=-HOUR)),
                        ACCOUNT + "its token's time is over; a clock may be off",
                    )
                ],
                Case.TENANT: no_namespace(World.kubernetes, *nobody_there),
                Case.CLOCK: [
                    Bad(
                        lambda world: world.kubernetes(make=dated(token_of, iat=HOUR, nbf=HOUR, exp=2 * HOUR)),
                        ACCOUNT + "its token's time has not come; a clock may be off",
                    )
                ],
            },
            World.kubernetes,
        ),
        "JWT": Login(
            {
                Case.SECRET: [
                    Bad(
                        lambda world: world.jwt(make=lambda *to: forged(token_of(*to))),
                        ACCOUNT + "Vault does not know the key that signed its token: check the login's issuer",
                    )
                ],
                Case.EXPIRED: [
                    Bad(
                        lambda world: world.jwt(make=dated(token_of, iat=-2 * HOUR, exp=-HOUR)),
                        ACCOUNT + "its token's time is over; a clock may be off",
                    )
                ],
                Case.TENANT: no_namespace(World.jwt, *nobody_there),
                Case.CLOCK: [
                    Bad(
                        lambda world: world.jwt(make=dated(token_of, iat=HOUR, nbf=HOUR, exp=2 * HOUR)),
                        ACCOUNT + "its token's time has not come; a clock may be off",
                    )
                ],
            },
            World.jwt,
        ),
    }


VAULT = Table(
    _world(vault_server.SHARED, _enterprise),
    frozenset(VaultMethod),
    _logins("no login is mounted there, or there is no such namespace", AuthFailed),
    server="vault",
)
OPENBAO = Table(
    _world(openbao.SHARED, lambda world: world),
    frozenset(VaultMethod),
    _logins(NO_NAMESPACE, SpecInvalid),
    server="openbao",
)
