"""What the operator is told at its start. Every field is an option of `keyferry run`."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from keyferry.values import Key

GROUP = "keyferry.dev"
VERSION = "v1alpha1"
FIELD_MANAGER = "keyferry"
NAMESPACE_ANNOTATION = f"{GROUP}/namespace"  # on a Namespace: what it is called in the backend
REFRESH_ANNOTATION = f"{GROUP}/refresh"  # on a store or ExternalSecret: any new value forces a refresh
ADOPT_ANNOTATION = f"{GROUP}/adopt"  # on a Secret: "true" lets an ExternalSecret take it over
OWNER_ANNOTATION = f"{GROUP}/external-secret"  # on a Secret: the ExternalSecret that writes it
TOKENS_ANNOTATION = f"{GROUP}/allow-tokens-for"  # on a ServiceAccount: audiences for which tokens may be asked
API_SERVER_AUDIENCE = "https://kubernetes.default.svc"  # there it stands for the API server's own, however called
MANAGED_BY = "app.kubernetes.io/managed-by"

LARGEST_CATALOGUE = 100_000  # entries of one store, of some 1.5 KB each
DEFAULT_DATA_DIR = Path("/var/lib/keyferry")
# The providers' own addresses, which any SecretStore may name; not the hosts that they rent to others.
_PROVIDERS_OWN = (
    # AWS: Secrets Manager, STS and SQS, and their VPC endpoints.
    (
        r"https://(vpce-[-a-z0-9]+\.)?(secretsmanager|sts|sqs)(-fips)?"
        r"(\.[a-z]{2,}(-[a-z]+)+-[0-9]+(\.vpce)?)?\.amazonaws\.com(\.cn)?"
    ),
    # Azure: the vaults of each cloud (also over a private endpoint), and Entra.
    r"https://[-a-z0-9]+\.vault\.(azure\.net|usgovcloudapi\.net|azure\.cn)",
    r"https://login\.(microsoftonline\.com|microsoftonline\.us|chinacloudapi\.cn|partner\.microsoftonline\.cn)",
    # Google: Secret Manager and what logs in there, and their addresses over Private Service Connect.
    (
        r"https://(secretmanager(\.[a-z]+-[a-z]+[0-9]+\.rep)?|sts|iamcredentials"
        r"|(secretmanager|sts|iamcredentials)-[a-z0-9]+\.p)\.googleapis\.com"
    ),
    r"https://(api\.cloud|auth\.idp)(\.eu)?\.hashicorp\.com",  # HashiCorp's cloud
    # Elastic Cloud: a deployment's address, also over private links.
    r"https://([-a-z0-9]+\.)+(aws|gcp|azure)\.(found\.io|cloud\.es\.io|elastic-cloud\.com|elastic\.cloud)(:(443|9243))?",
    r"https://(app|us|eu)\.infisical\.com",  # Infisical's cloud
)
_ANY_PATH = re.compile(r"(?<=[^/:])/+\*?$")  # at the end of a pattern it says nothing: no store's endpoint has a path


@dataclass(frozen=True, slots=True)
class Settings:
    """How this operator runs."""

    namespaces: tuple[str, ...] = ()  # where it works; none: everywhere
    secrets: tuple[Key, ...] = ()  # the only ones there that it touches; of a namespace without any: all
    listen: str = ":8080"  # host:port; without a host every address, of IPv6 and IPv4
    data_dir: Path = DEFAULT_DATA_DIR
    allow_ambient_in_namespaces: bool = False
    allow_endpoints: tuple[str, ...] = ()  # patterns with *, for a SecretStore; a ClusterSecretStore is an admin's own
    webhook_listen: str = ""  # host:port; empty: no webhooks
    webhook_address: str = ""  # host:port where other replicas reach that
    largest_catalogue: int = LARGEST_CATALOGUE
    workers: int = 5000  # ExternalSecrets worked on at once; most of them wait for the same answer
    # Of one store: one that does not answer leaves room for the others. Each takes some 15 KB while it is worked on,
    # and more of them write no faster. They fill whole batches of 20: none waits half full for the first that is done.
    workers_of_store: int = 240
    kube_timeout: float = 30.0  # seconds, of one request to the API server
    kube_connections: int = 12  # each holds a quarter of a MiB, and answers come within milliseconds
    shards: int = 1  # how many parts the stores are divided into; replicas share these
    identity: str = "keyferry"  # this replica's name, its own: the pod's
    namespace: str = "keyferry-system"  # where the replicas' Leases are

    def endpoint_allowed(self, url: str) -> bool:
        """Whether a SecretStore may send requests to this URL."""
        address = url.rstrip("/")
        patterns = (_ANY_PATH.sub("", pattern) for pattern in self.allow_endpoints)
        own = any(re.fullmatch(pattern, address) for pattern in _PROVIDERS_OWN)
        return own or any(fnmatchcase(address, pattern) for pattern in patterns)
