"""What can be wrong with a login to AWS: with keys, at STS, or with what hands keys to the operator's pod."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from keyferry.api.providers.aws import AwsAuth
from keyferry.backends.aws import AwsBackend
from keyferry.errors import CredentialsMissing
from keyferry.values import Ref
from tests.contract import bare
from tests.contract.aws_stores import ISSUER, KEYS, SIGNER, WEB, access_key, holding, signed, store
from tests.contract.bad_logins.table import Bad, Case, Login, Scene, Table, Way
from tests.contract.bad_logins.tokens import dated, forged
from tests.contract.context import SeededCluster
from tests.standins.aws import AwsStandIn
from tests.standins.aws_iam import AccessKey
from tests.standins.aws_sts import Issuer
from tests.standins.pod_identity import PodIdentityAgent

HOUR = 3600.0
REFUSED = "{world.standin.host} does not accept the keys of "
KEY = f"the access key in Secret payments/{KEYS}: "
FILE = "profile team in Secret payments/file: "
TOKEN = "the token of ServiceAccount payments/keyferry: "
POD = "EKS Pod Identity of the operator's pod: "
OPERATOR = "the operator's own AWS credentials: "
UNKNOWN = "there is no such access key, or it is inactive, or the region is not enabled for its account"
ANOTHER = "the secret access key does not belong to the access key ID"
OVER = "their time is over"
CLOCK = "the operator's clock is off, by more than five minutes: mend it on the pod's node"
OF_ACCOUNT = "a key belongs to its own account, which nobody writes"
ELSEWHERE = "arn:aws:iam::999999999999:role/payments"


@dataclass
class World:
    scene: Scene
    standin: AwsStandIn
    ref: Ref

    def key(self, way: Way | None = None, key: AccessKey | None = None, **auth: Any) -> AwsBackend:
        key = key or self.standin.admin
        return self.store({**access_key(key), **auth}, way, holding(key))

    def file(self, way: Way | None = None, key: AccessKey | None = None, profile: str = "team") -> AwsBackend:
        key = key or self.standin.admin
        lines = [f"aws_access_key_id={key.id}", f"aws_secret_access_key={key.secret}"]
        lines += [f"aws_session_token={key.token}"] if key.token else []
        held = SeededCluster({"file": {"credentials": "\n".join(["[team]", *lines]).encode()}})
        auth = {"sharedCredentials": {"secretRef": {"name": "file", "key": "credentials"}, "profile": profile}}
        return self.store(auth, way, held)

    def token(self, way: Way | None = None, make: Callable[..., str] = signed, **auth: Any) -> AwsBackend:
        role = self.standin.sts.role("payments", issuer=ISSUER, subject="system:serviceaccount:payments:keyferry")
        return self.store({"webIdentity": {**WEB, "roleArn": role.arn, **auth}}, way, SeededCluster(token_for=make))

    def role(self, way: Way | None = None, key: AccessKey | None = None, **role: Any) -> AwsBackend:
        trusted = (f"arn:aws:iam::{self.standin.account}:user/admin",)
        arn = self.standin.sts.role("r", trusts=trusted, external_id="keyferry").arn
        return self.key(way, key, assumeRole={"roleArn": arn, "externalId": "keyferry", **role})

    def pod(self, way: Way | None = None, *, token: str = "", agent: str = "") -> AwsBackend:
        """A store with what EKS's agent hands to the operator's pod."""
        sts, file = self.standin.sts, self.scene.folder / "token"
        running = self.scene.stack.enter_context(PodIdentityAgent(sts, sts.role("operator"), file))
        file.write_text(token or file.read_text())
        for name, value in running.environment.items():
            self.scene.environment.setenv(name, agent if agent and name.endswith("URI") else value)
        return self.store({"podIdentity": {}}, way, ambient=True)

    def own(self, way: Way | None = None, key: AccessKey | None = None) -> AwsBackend:
        """A store with the keys of the operator's environment."""
        key = key or self.standin.admin
        known = {"ACCESS_KEY_ID": key.id, "SECRET_ACCESS_KEY": key.secret, "SESSION_TOKEN": key.token or ""}
        for name, value in known.items():
            self.scene.environment.setenv(f"AWS_{name}", value)
        return self.store({"ambient": {}}, way, ambient=True)

    def wrong(self) -> AccessKey:
        """A key ID that is known, with another's secret."""
        return replace(self.standin.admin, secret="canary")

    def deleted(self) -> AccessKey:
        key = self.standin.iam.user("gone")
        self.standin.iam.revoke(key.id)
        return key

    def expired(self) -> AccessKey:
        key = self.standin.sts.session(self.standin.sts.role("past"), "s")
        self.standin.iam.expire(key.id)
        return key

    def ahead(self, seconds: float) -> "World":
        """AWS's clock is that much ahead of ours."""
        self.standin.iam.ahead = seconds
        return self

    def store(
        self, auth: dict[str, Any], way: Way | None, cluster: SeededCluster | None = None, *, ambient: bool = False
    ) -> AwsBackend:
        more: dict[str, Any] = {"cluster": cluster or SeededCluster(), "ambient": ambient}
        if way is None:
            return store(self.standin, auth, **more)
        if way.authority:
            (bundle := self.scene.folder / "bundle.crt").write_bytes(way.authority)
            self.scene.environment.setenv("AWS_CA_BUNDLE", str(bundle))
        at = f"https://{way.address}"
        return store(self.standin, auth, spec={"endpoint": at, "stsEndpoint": at}, timeout=way.timeout, **more)


@asynccontextmanager
async def world(scene: Scene) -> AsyncIterator[World]:
    bare.of_aws(scene.environment, scene.folder)
    with AwsStandIn() as standin:
        standin.sts.issuers[ISSUER] = Issuer(("sts.amazonaws.com",), lambda _: SIGNER.public_key())
        yield World(scene, standin, Ref(standin.put("db", "v")))


def _off(make: Callable[[World], AwsBackend], keys: str) -> list[Bad]:
    return [
        Bad(lambda world: make(world.ahead(HOUR)), REFUSED + keys + CLOCK, name="behind"),
        Bad(lambda world: make(world.ahead(-HOUR)), REFUSED + keys + CLOCK, name="ahead"),
    ]


def _of_keys(make: Callable[..., AwsBackend], keys: str) -> dict[Case, Any]:
    return {
        Case.SECRET: [
            Bad(lambda world: make(world, key=world.wrong()), REFUSED + keys + ANOTHER, name="secret"),
            Bad(lambda world: make(world, key=world.deleted()), REFUSED + keys + UNKNOWN, name="deleted"),
        ],
        Case.EXPIRED: [Bad(lambda world: make(world, key=world.expired()), REFUSED + keys + OVER)],
        Case.TENANT: OF_ACCOUNT,
        Case.CLOCK: _off(make, keys),
    }


def _fields() -> Iterator[str]:
    return (field.alias or name for name, field in AwsAuth.model_fields.items())


TABLE = Table(
    world,
    frozenset(_fields()),
    {
        "accessKey": Login(_of_keys(World.key, KEY), World.key),
        "sharedCredentials": Login(
            {
                **_of_keys(World.file, FILE),
                Case.TENANT: [
                    Bad(
                        lambda world: world.file(profile="nowhere"),
                        "Secret payments/file, key credentials has no profile nowhere; it has team",
                        CredentialsMissing,
                    )
                ],
            },
            World.file,
        ),
        "webIdentity": Login(
            {
                Case.SECRET: [
                    Bad(
                        lambda world: world.token(make=lambda *to: forged(signed(*to))),
                        TOKEN + "IAM does not accept its token: the account needs an OIDC provider",
                    )
                ],
                Case.EXPIRED: [
                    Bad(lambda world: world.token(make=dated(signed, exp=-HOUR)), TOKEN + "its token came too late")
                ],
                Case.TENANT: [
                    Bad(
                        lambda world: world.token(roleArn=ELSEWHERE),
                        f"{TOKEN}the trust policy of {ELSEWHERE} does not accept it",
                        name="account",
                    ),
                    Bad(
                        lambda world: world.token(audience="sts.elsewhere.example"),
                        TOKEN + "IAM does not accept its token: the account needs an OIDC provider",
                        name="audience",
                    ),
                ],
                Case.CLOCK: _off(World.token, TOKEN),
            },
            World.token,
        ),
        "podIdentity": Login(
            {
                Case.SECRET: [
                    Bad(
                        lambda world: world.pod(token="canary"),
                        POD + "it hands over no credentials just now",
                    )
                ],
                Case.EXPIRED: "the agent hands over others before their time is over",
                Case.TENANT: "an association belongs to its own cluster and account, which nobody writes",
                Case.ADDRESS: [
                    Bad(
                        lambda world: world.pod(agent="http://127.0.0.1:1/"),
                        POD + "it hands over no credentials just now",
                    )
                ],
                Case.CLOCK: _off(World.pod, POD),
            },
            World.pod,
        ),
        "ambient": Login(_of_keys(World.own, OPERATOR), World.own),
        "assumeRole": Login(
            {
                **_of_keys(World.role, KEY),
                Case.TENANT: [
                    Bad(
                        lambda world: world.role(roleArn=ELSEWHERE),
                        f"is not allowed sts:AssumeRole on {ELSEWHERE}: allow it in an IAM policy",
                        name="account",
                    ),
                    Bad(
                        lambda world: world.role(externalId="another"),
                        "give the external ID that the latter asks for",
                        name="external ID",
                    ),
                ],
            },
            World.role,
        ),
    },
)
