"""The manifests that cluster tests apply, with what most of them do not care about filled in."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.cluster.mode import Mode, SharedStore
from tests.cluster.world import KEYFERRY, Manifest
from tests.standins.aws import AwsStandIn
from tests.standins.aws_iam import AccessKey

LOGIN = "aws-login"
HOUR = "1h"  # long enough that whatever a test sees before was not the interval's doing


def external_secret(
    namespace: str,
    name: str = "db",
    *,
    store: str | SharedStore,
    keys: Mapping[str, str] | None = None,
    every: str = HOUR,
    kind: str = "ClusterSecretStore",
    **spec: Any,
) -> Manifest:
    """An ExternalSecret. `keys`: from the Secret's keys to the store's; by default `value` is the key of its name.

    `kind` is of a store that is given by its name.
    """
    reference = {"kind": kind, "name": store} if isinstance(store, str) else {"kind": store.kind, "name": store.name}
    wanted = {"value": name} if keys is None and "dataFrom" not in spec else keys or {}
    listed = {"data": data(wanted.items())} if wanted else {}
    asked = {"secretStoreRef": reference, "refreshInterval": every, **listed, **spec}
    return _manifest("ExternalSecret", name, asked, namespace)


def data(keys: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Entries of `data`, from pairs of the Secret's key and the store's."""
    return [{"secretKey": key, "remoteRef": {"key": remote}} for key, remote in keys]


def secret_store(namespace: str, name: str, provider: Mapping[str, Any], **spec: Any) -> Manifest:
    """A namespace's own store."""
    return _manifest("SecretStore", name, {"provider": dict(provider), **spec}, namespace)


def cluster_store(name: str, provider: Mapping[str, Any], **spec: Any) -> Manifest:
    """A store for all namespaces."""
    return _manifest("ClusterSecretStore", name, {"provider": dict(provider), **spec})


def shared_store(store: SharedStore, provider: Mapping[str, Any], **spec: Any) -> Manifest:
    """A team's shared store. Its references name the team's namespace, and its spec is a ClusterSecretStore's."""
    if store.mode is Mode.CLUSTER:
        return cluster_store(store.name, provider, **spec)
    served = spec.pop("namespaces", {"names": [store.namespace]})
    assert served == {"names": [store.namespace]}, "a SecretStore serves its own namespace"
    own = {"mapping": {"by": "Tags"}} | spec  # else it would map by Names
    return secret_store(
        store.namespace, store.name, _within(store.namespace, dict(provider)), **_within(store.namespace, own)
    )


def _within(namespace: str, value: Any) -> Any:
    """The same with references that name no namespace, as those of a SecretStore must."""
    if not isinstance(value, dict):
        return value
    return {key: _within(namespace, each) for key, each in value.items() if (key, each) != ("namespace", namespace)}


def aws_provider(
    aws: AwsStandIn, namespace: str, login: str = LOGIN, *, cluster: bool = True, queue: str = ""
) -> dict[str, Any]:
    """The stand-in as a provider; its access key is in a Secret of the namespace. `queue`: a URL."""
    where = {"name": login, **({"namespace": namespace} if cluster else {})}
    key = {"accessKeyIdSecretRef": {**where, "key": "id"}, "secretAccessKeySecretRef": {**where, "key": "secret"}}
    events = {"events": {"sqs": {"queueUrl": queue}}} if queue else {}
    return {"aws": {"region": aws.region, "endpoint": aws.url, "auth": {"accessKey": key}, **events}}


def aws_login(namespace: str, key: AccessKey, login: str = LOGIN) -> Manifest:
    """The Secret that holds the access key."""
    return secret(namespace, login, {"id": key.id, "secret": key.secret})


def sql_provider(database: str, key_secret: str, namespace: str = "") -> dict[str, Any]:
    """A SQLite database; its key is in a Secret, under `key`. `namespace` for a ClusterSecretStore."""
    where = {"name": key_secret, "key": "key", **({"namespace": namespace} if namespace else {})}
    return {"sql": {"database": database, "encryption": {"keySecretRef": where}}}


def secret(namespace: str, name: str, values: Mapping[str, str], **metadata: Any) -> Manifest:
    """A Secret of somebody else's making."""
    named = {"name": name, "namespace": namespace, **metadata}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": named, "stringData": dict(values)}


def _manifest(kind: str, name: str, spec: Mapping[str, Any], namespace: str = "") -> Manifest:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": KEYFERRY, "kind": kind, "metadata": metadata, "spec": dict(spec)}
