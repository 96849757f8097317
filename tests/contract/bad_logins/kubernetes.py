"""What can be wrong with a login to an API server: a real one, and a stand-in for what takes client certificates."""

import base64
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization

from keyferry.api.providers.kubernetes import Kubernetes, KubernetesMethod
from keyferry.backends.kubernetes import KubernetesBackend, create
from keyferry.errors import CredentialsMissing, PermissionDenied
from keyferry.values import ApiServer, Ref
from tests.contract.bad_logins.table import Bad, Case, Login, Scene, Table, Way
from tests.contract.bad_logins.tokens import forged
from tests.contract.context import SeededCluster, context, no_token
from tests.contract.kubernetes_stores import Reader
from tests.controlplane.shared import shared
from tests.servers import certificates
from tests.standins.api_server import Asked, Says, api_server

HOUR = 3600.0
NOWHERE = "there-is-no-such-namespace"
LOGIN = "kubernetes-login"  # the Secret
SECRET = {"name": LOGIN, "key": "held"}
OVER = "its time is over, or the operator's clock is off"
EARLY = "its time has not come, or the operator's clock is off"
UNTOLD = "it is wrong, spent, revoked, or of another cluster; or a clock is off"


@dataclass
class World:
    scene: Scene
    reader: Reader
    strict: str  # the address of an API server that takes no certificate
    strict_authority: bytes
    ref = Ref("db")

    def token(self, way: Way | None = None, token: str = "", namespace: str = "") -> KubernetesBackend:
        return self.store("Token", (token or self.reader.token).encode(), self.way(way), namespace)

    def account(
        self, way: Way | None = None, make: Callable[..., str] | None = None, namespace: str = ""
    ) -> KubernetesBackend:
        """A store that reads as a ServiceAccount, whose token is made so."""
        at = self.way(way)
        made = make or (lambda *_: self.reader.token)
        cluster = SeededCluster({}, made, ApiServer(f"https://{at.address}", at.authority))
        auth = {"method": "ServiceAccount", "serviceAccountRef": {"name": "reader"}}
        spec = {"remoteNamespace": namespace or self.reader.namespace, "auth": auth}
        return create(Kubernetes.model_validate(spec), context(cluster=cluster, timeout=at.timeout))

    def certificate(self, way: Way | None = None, namespace: str = "", **made: Any) -> KubernetesBackend:
        return self.store("Certificate", self.shown(**made), way or self._strict, namespace)

    def config(self, way: Way | None = None, token: str = "", namespace: str = "") -> KubernetesBackend:
        """A store with a kubeconfig that has a token."""
        return self._config({"token": token or self.reader.token}, self.way(way), namespace)

    def certified(self, way: Way | None = None, namespace: str = "", **made: Any) -> KubernetesBackend:
        """A store with a kubeconfig that has a certificate."""
        pem = base64.b64encode(self.shown(**made)).decode()
        return self._config({"client-certificate-data": pem, "client-key-data": pem}, way or self._strict, namespace)

    def shown(self, **made: Any) -> bytes:
        """A client's certificate with its key."""
        folder = self.scene.folder / "client"
        folder.mkdir(exist_ok=True)
        return certificates.write(folder, **made) + (folder / "apiserver.key").read_bytes()

    def signed(self, **claims: float) -> str:
        """A token of the API server's own making, but for its times, in seconds from now."""
        key = serialization.load_pem_private_key(self.reader.plane._credentials.service_account_key.read_bytes(), None)
        known = jwt.decode(self.reader.token, options={"verify_signature": False})
        times = {name: int(time.time() + seconds) for name, seconds in claims.items()}
        header = jwt.get_unverified_header(self.reader.token)
        return jwt.encode({**known, **times}, key, algorithm=header["alg"], headers=header)  # type: ignore[arg-type]

    def way(self, way: Way | None) -> Way:
        own = self.reader.plane.ca_file.read_bytes()
        if way is None:
            return Way(f"127.0.0.1:{self.reader.port}", own)
        return Way(way.address, way.authority or own, way.timeout)

    @property
    def _strict(self) -> Way:
        return Way(self.strict, self.strict_authority)

    def store(self, method: str, held: bytes, way: Way, namespace: str) -> KubernetesBackend:
        cluster = SeededCluster({LOGIN: {"held": held}, "ca": {"ca.crt": way.authority or self.strict_authority}})
        server = {"url": f"https://{way.address}", "caProvider": {"type": "Secret", "name": "ca", "key": "ca.crt"}}
        spec = {"remoteNamespace": namespace or self.reader.namespace, "auth": {"method": method, "secretRef": SECRET}}
        return create(
            Kubernetes.model_validate({**spec, **({} if method == "Kubeconfig" else {"server": server})}),
            context(cluster=cluster, timeout=way.timeout),
        )

    def _config(self, user: dict[str, str], way: Way, namespace: str) -> KubernetesBackend:
        authority = base64.b64encode(way.authority or self.strict_authority).decode()
        cluster = {"server": f"https://{way.address}", "certificate-authority-data": authority}
        config = {
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        return self.store("Kubeconfig", json.dumps(config).encode(), way, namespace)


def _strict(asked: Asked) -> Says:
    """As real ones answer to a certificate: they ask for one, look at it later, and grant nothing where nobody is."""
    return Says(403 if NOWHERE in asked.path or "accessreviews" in asked.path else 401, {})


@asynccontextmanager
async def world(scene: Scene) -> AsyncIterator[World]:
    reader = Reader(shared()).make()
    scene.stack.callback(reader.end)
    reader.write("db", {"value": b"v"})
    folder = scene.folder / "strict"
    folder.mkdir()
    authority = certificates.write(folder)
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(folder / "apiserver.crt", folder / "apiserver.key")
    strict = await scene.stack.enter_async_context(api_server(_strict, trust))
    yield World(scene, reader, strict.url.removeprefix("https://"), authority)


def _no_namespace(make: Callable[..., KubernetesBackend]) -> list[Bad]:
    """Nobody has rights there."""
    words = f"is not allowed get on Secret {NOWHERE}/db: grant that in a Role; or there is no such namespace"
    lacking = f"list on secrets in namespace {NOWHERE}"
    return [Bad(lambda world: make(world, namespace=NOWHERE), words, PermissionDenied, lacking=lacking)]


def _of_token(make: Callable[..., KubernetesBackend], name: str, of: Callable[[str], Any]) -> dict[Case, list[Bad]]:
    """What can be wrong with a token, whose store is made with `of` that token."""
    refused = f"127.0.0.1:{{world.reader.port}} does not accept {name}: "
    return {
        Case.SECRET: [
            Bad(lambda world: make(world, **of(forged(world.reader.token))), refused + UNTOLD, name="forged"),
            Bad(lambda world: make(world, **of("canary")), refused + UNTOLD, name="no token"),
        ],
        Case.EXPIRED: [
            Bad(lambda world: make(world, **of(world.signed(iat=-2 * HOUR, nbf=-2 * HOUR, exp=-HOUR))), refused + OVER)
        ],
        Case.TENANT: _no_namespace(make),
        Case.CLOCK: [
            Bad(lambda world: make(world, **of(world.signed(iat=HOUR, nbf=HOUR, exp=2 * HOUR))), refused + EARLY)
        ],
    }


def _of_certificate(make: Callable[..., KubernetesBackend], name: str) -> dict[Case, list[Bad]]:
    refused = f"{{world.strict}} does not accept {name}: "
    return {
        Case.SECRET: [Bad(make, refused + UNTOLD)],
        Case.EXPIRED: [Bad(lambda world: make(world, since=-2 * HOUR, until=-HOUR), refused + OVER)],
        Case.TENANT: _no_namespace(make),
        Case.CLOCK: [Bad(lambda world: make(world, since=HOUR), refused + EARLY)],
    }


TABLE = Table(
    world,
    frozenset(KubernetesMethod),
    {
        "ServiceAccount": Login(
            {
                **_of_token(World.account, "ServiceAccount payments/reader", lambda token: {"make": lambda *_: token}),
                Case.SECRET: [
                    Bad(
                        lambda world: world.account(make=no_token), "no such ServiceAccount", CredentialsMissing, "none"
                    ),
                    Bad(
                        lambda world: world.account(make=lambda *_: forged(world.reader.token)),
                        f"does not accept ServiceAccount payments/reader: {UNTOLD}",
                        name="of another cluster",
                    ),
                ],
            },
            World.account,
        ),
        "Token": Login(
            _of_token(World.token, f"the token in Secret payments/{LOGIN}, key held", lambda token: {"token": token}),
            World.token,
        ),
        "Certificate": Login(
            _of_certificate(World.certificate, f"the certificate in Secret payments/{LOGIN}, key held"),
            World.certificate,
        ),
        "Kubeconfig with a token": Login(
            _of_token(
                World.config,
                f"the user of the kubeconfig in Secret payments/{LOGIN}, key held",
                lambda token: {"token": token},
            ),
            World.config,
        ),
        "Kubeconfig with a certificate": Login(
            _of_certificate(World.certified, f"the user of the kubeconfig in Secret payments/{LOGIN}, key held"),
            World.certified,
        ),
    },
)
