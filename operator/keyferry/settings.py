"""What the operator is told at its start. Every field is an option of `keyferry run`."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

GROUP = "keyferry.dev"
VERSION = "v1alpha1"
FIELD_MANAGER = "keyferry"
NAMESPACE_ANNOTATION = f"{GROUP}/namespace"  # on a Namespace: what it is called in the backend
REFRESH_ANNOTATION = f"{GROUP}/refresh"  # on a store or ExternalSecret: any new value forces a refresh
ADOPT_ANNOTATION = f"{GROUP}/adopt"  # on a Secret: "true" lets an ExternalSecret take it over
OWNER_ANNOTATION = f"{GROUP}/external-secret"  # on a Secret: the ExternalSecret that writes it
MANAGED_BY = "app.kubernetes.io/managed-by"

DEFAULT_DATA_DIR = Path("/var/lib/keyferry")
# The own addresses of Secrets Manager, STS and SQS, and their VPC endpoints'; not the hosts that AWS rents to others.
_AWS_ENDPOINT = re.compile(
    r"https://(vpce-[-a-z0-9]+\.)?(secretsmanager|sts|sqs)(-fips)?"
    r"(\.[a-z]{2,}(-[a-z]+)+-[0-9]+(\.vpce)?)?\.amazonaws\.com(\.cn)?"
)

_INFISICAL_ENDPOINT = re.compile(r"https://(app|us|eu)\.infisical\.com")


@dataclass(frozen=True, slots=True)
class Settings:
    """How this operator runs."""

    listen: str = "0.0.0.0:8080"
    data_dir: Path = DEFAULT_DATA_DIR
    allow_ambient_in_namespaces: bool = False
    allow_endpoints: tuple[str, ...] = ()  # patterns with *, for a SecretStore; a ClusterSecretStore is an admin's own
    webhook_listen: str = ""  # host:port; empty: no webhooks
    webhook_address: str = ""  # host:port where other replicas reach that
    workers: int = 5000  # ExternalSecrets worked on at once; most of them wait for the same answer
    workers_of_store: int = 1000  # of one store, so that one that does not answer leaves room for the others
    kube_timeout: float = 30.0  # seconds, of one request to the API server
    kube_connections: int = 12  # each holds a quarter of a MiB, and answers come within milliseconds
    shards: int = 1  # how many parts the stores are divided into; replicas share these
    identity: str = "keyferry"  # this replica's name, its own: the pod's
    namespace: str = "keyferry-system"  # where the replicas' Leases are

    def endpoint_allowed(self, url: str) -> bool:
        """Whether a SecretStore may send requests to this URL."""
        address = url.rstrip("/")
        patterns = (pattern.rstrip("/") for pattern in self.allow_endpoints)
        own = _AWS_ENDPOINT.fullmatch(address) or _INFISICAL_ENDPOINT.fullmatch(address)
        return bool(own) or any(fnmatchcase(address, pattern) for pattern in patterns)
