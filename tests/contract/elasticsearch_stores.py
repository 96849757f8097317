"""Stores on a real Elasticsearch, as tests write them."""

from typing import Any

from keyferry.api.providers.elasticsearch import Elasticsearch
from keyferry.backends.elasticsearch import create
from keyferry.backends.elasticsearch.backend import ElasticsearchBackend
from keyferry.values import Entry, Fetched, Ref, Scope
from tests.contract.context import SeededCluster, context
from tests.servers.elasticsearch_server import ElasticsearchServer, allowing

DB = Ref("app/db")
LOGIN = "es-login"  # the Secret that holds the login
CA = "es-ca"
KEY = "es-key"
ENCRYPTION_KEY = b"a key of at least 32 characters, this"
API_KEY = {"method": "ApiKey", "secretRef": {"name": LOGIN, "key": "apiKey"}}
BASIC = {"method": "Basic", "usernameKey": "username", "secretRef": {"name": LOGIN, "key": "password"}}
CA_PROVIDER = {"type": "Secret", "name": CA, "key": "ca.crt"}
WRITES = ("read", "index", "delete", "create_index")


def holding(server: ElasticsearchServer, *, key: bytes = ENCRYPTION_KEY, **login: str) -> SeededCluster:
    """A cluster whose Secrets hold the login, the key of the encryption and Elasticsearch's certificate authority."""
    coded = {name: text.encode() for name, text in login.items()}
    return SeededCluster({LOGIN: coded, CA: {"ca.crt": server.ca.read_bytes()}, KEY: {"key": key}})


def spec_of(
    address: str, index: str, auth: dict[str, Any] | None = None, more: dict[str, Any] | None = None
) -> Elasticsearch:
    """A store's part about Elasticsearch."""
    spec = {
        "addresses": [address],
        "index": index,
        "caProvider": CA_PROVIDER,
        "encryption": {"keySecretRef": {"name": KEY, "key": "key"}},
        "auth": auth or API_KEY,
    }
    given = {**spec, **(more or {})}
    return Elasticsearch.model_validate({name: value for name, value in given.items() if value is not None})


def store(
    server: ElasticsearchServer,
    index: str,
    auth: dict[str, Any] | None = None,
    *,
    url: str = "",
    spec: dict[str, Any] | None = None,
    **surroundings: Any,
) -> ElasticsearchBackend:
    """A store that may write, unless told otherwise. `surroundings`: as for `context`."""
    if "cluster" not in surroundings:
        surroundings["cluster"] = holding(server, apiKey=server.key(allowing(index, *WRITES)).encoded)
    return create(spec_of(url or server.url, index, auth, spec), context(**surroundings))


async def one(backend: ElasticsearchBackend, ref: Ref = DB) -> Fetched:
    return (await backend.fetch([ref]))[ref]


async def listed(backend: ElasticsearchBackend, scope: Scope | None = None) -> dict[str, Entry]:
    return {entry.name: entry async for entry in backend.entries(scope or Scope())}
