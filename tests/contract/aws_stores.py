"""Stores on the AWS stand-in, as tests write them."""

from typing import Any

from keyferry.api.providers import Aws
from keyferry.backends.aws import AwsBackend, create
from tests.contract.context import SeededCluster, context
from tests.standins.aws import AwsStandIn
from tests.standins.aws_iam import AccessKey

KEYS = "aws-keys"  # the Secret that holds the login


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
