"""Stores on the AWS stand-in, as tests write them."""

import time
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from keyferry.api.providers.aws import Aws
from keyferry.api.providers.references import ServiceAccountRef
from keyferry.backends.aws import AwsBackend, create
from keyferry.values import Ref, Value
from tests.contract.context import SeededCluster, context
from tests.standins.aws import AwsStandIn
from tests.standins.aws_iam import AccessKey

KEYS = "aws-keys"  # the Secret that holds the login
ISSUER = "https://issuer.example"  # of ServiceAccounts' tokens
SIGNER = ec.generate_private_key(ec.SECP256R1())
WEB = {"serviceAccountRef": {"name": "keyferry"}, "roleArn": "arn:aws:iam::{account}:role/payments"}


def access_key(key: AccessKey) -> dict[str, Any]:
    """The spec of a login by the access key in the Secret."""
    names = {"accessKeyIdSecretRef": "id", "secretAccessKeySecretRef": "secret", "sessionTokenSecretRef": "token"}
    if key.token is None:
        del names["sessionTokenSecretRef"]
    return {"accessKey": {field: {"name": KEYS, "key": name} for field, name in names.items()}}


def holding(key: AccessKey) -> SeededCluster:
    """A cluster whose Secret holds the key."""
    data = {"id": key.id.encode(), "secret": key.secret.encode(), "token": (key.token or "").encode()}
    return SeededCluster({KEYS: data})


def store(
    aws: AwsStandIn,
    auth: dict[str, Any] | None = None,
    *,
    key: AccessKey | None = None,
    spec: dict[str, Any] | None = None,
    **surroundings: Any,
) -> AwsBackend:
    """A store that logs in with the access key unless told otherwise. `surroundings`: as for `context`."""
    key = key or aws.admin
    surroundings.setdefault("cluster", holding(key))
    place = {"region": aws.region, "endpoint": aws.url, "stsEndpoint": aws.url} | (spec or {})
    return create(Aws(**place, auth=auth or access_key(key)), context(**surroundings))


def signed(account: ServiceAccountRef, audience: str, **claims: Any) -> str:
    """A ServiceAccount's token as an API server signs it."""
    subject = f"system:serviceaccount:payments:{account.name}"
    content = {"iss": ISSUER, "sub": subject, "aud": [audience], "exp": time.time() + 600} | claims
    return jwt.encode(content, SIGNER, algorithm="ES256", headers={"kid": "k"})


def web_identity(aws: AwsStandIn, token: Callable[..., str] = signed, **more: Any) -> AwsBackend:
    """A store that logs in with the token of the ServiceAccount keyferry, as the role payments."""
    spec = WEB | {"roleArn": str(WEB["roleArn"]).format(account=aws.account)} | more
    return store(aws, {"webIdentity": spec}, cluster=SeededCluster(token_for=token))


async def reads(backend: AwsBackend, aws: AwsStandIn) -> bool:
    """Whether a value can be read."""
    ref = Ref(aws.put("db", "v"))
    return isinstance((await backend.fetch([ref]))[ref], Value)
