"""One of each provider as the bench asks it for values: how a store finds it, and who gives it new ones.

Where a real server can be had it is one; else the stand-in of the contract suite, which answers at once.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from keyferry.api.providers import Provider
from keyferry.backends import registry
from keyferry.backends.base import Writer
from keyferry.values import StoreKey
from tests.bench.ground import Ground
from tests.contract import elasticsearch_stores, hcp_stores
from tests.contract.context import SeededCluster, context
from tests.contract.infisical_stores import client
from tests.contract.kubernetes_stores import Reader
from tests.servers import elasticsearch_server, vault_server
from tests.servers.sql import SERVERS
from tests.standins.aws import AwsStandIn
from tests.standins.azure import AzureStandIn
from tests.standins.gcp import PROJECT, GcpStandIn
from tests.standins.hcp import HcpStandIn
from tests.standins.infisical import InfisicalStandIn
from tests.standins.vault_proxy import VaultProxy

LOGIN = "login"  # the Secret that a store logs in with
KEY = "a key of at least 32 characters, this"


@dataclass(frozen=True, slots=True)
class Source:
    """A provider's other end. `put` gives it all of these values, by their names."""

    provider: Mapping[str, Any]  # of the store; what it refers to is in the Secret LOGIN of the namespace
    login: Mapping[str, str]
    put: Callable[[Mapping[str, str]], object]
    property: str = ""  # of the JSON that a value is
    told: str = ""  # how it tells that something changed, where it does so by itself


Opens = Callable[[Ground, str], AbstractContextManager[Source]]  # for the namespace that its store's login is in


def each(put: Callable[[str, str], object]) -> Callable[[Mapping[str, str]], None]:
    """Many, one after another."""

    def all_of_them(values: Mapping[str, str]) -> None:
        for name, value in values.items():
            put(name, value)

    return all_of_them


def ref(namespace: str, key: str) -> dict[str, str]:
    """One key of the Secret that the store logs in with."""
    return {"name": LOGIN, "namespace": namespace, "key": key}


def authority(namespace: str) -> dict[str, str]:
    """The certificates to trust, from there, too."""
    return {"type": "Secret", **ref(namespace, "ca.crt")}


@contextlib.contextmanager
def aws(_: Ground, namespace: str) -> Iterator[Source]:
    """The stand-in on moto."""
    with AwsStandIn() as standin:
        keys = {"accessKeyIdSecretRef": ref(namespace, "id"), "secretAccessKeySecretRef": ref(namespace, "secret")}
        spec = {"region": standin.region, "endpoint": standin.url, "auth": {"accessKey": keys}}
        login = {"id": standin.admin.id, "secret": standin.admin.secret}
        yield Source({"aws": spec}, login, each(standin.put))


@contextlib.contextmanager
def azure(_: Ground, namespace: str) -> Iterator[Source]:
    """The stand-in, with a client secret."""
    with AzureStandIn() as standin:
        auth = {"tenantId": standin.tenant, "clientId": standin.reader.client_id}
        spec = {
            "vault": standin.url,
            "authorityHost": standin.authority,
            "caProvider": authority(namespace),
            "auth": {**auth, "clientSecretRef": ref(namespace, "secret")},
        }
        yield Source({"azure": spec}, {"secret": standin.secret, "ca.crt": standin.ca.pem}, each(standin.put))


@contextlib.contextmanager
def gcp(_: Ground, namespace: str) -> Iterator[Source]:
    """The stand-in, with a service account's key."""
    with GcpStandIn() as standin:
        spec = {
            "projectId": PROJECT,
            "endpoint": standin.url,
            "authEndpoint": standin.auth_url,
            "caProvider": authority(namespace),
            "auth": {"serviceAccountKeySecretRef": ref(namespace, "key.json")},
        }
        login = {"key.json": standin.admin.key_file().decode(), "ca.crt": standin.ca.decode()}
        yield Source({"gcp": spec}, login, each(lambda name, value: standin.put(name, value.encode())))


@contextlib.contextmanager
def hcp(_: Ground, namespace: str) -> Iterator[Source]:
    """The stand-in, with a service principal's key."""
    with HcpStandIn() as standin:
        keys = {
            "clientIdSecretRef": ref(namespace, "clientId"),
            "clientSecretSecretRef": ref(namespace, "clientSecret"),
        }
        spec = {**hcp_stores.place(standin, caProvider=authority(namespace)), "auth": keys}
        login = {**standin.service_principal(), "ca.crt": standin.ca.decode()}
        yield Source({"hcp": spec}, login, each(standin.put))


@contextlib.contextmanager
def elasticsearch(ground: Ground, namespace: str) -> Iterator[Source]:
    """A real node, with an API key."""
    node, index = elasticsearch_server.SHARED.get(), elasticsearch_server.unique("bench")
    spec = {
        "addresses": [node.url],
        "index": index,
        "caProvider": authority(namespace),
        "encryption": {"keySecretRef": ref(namespace, "key")},
        "auth": {"method": "ApiKey", "secretRef": ref(namespace, "apiKey")},
    }
    login = node.key(elasticsearch_server.allowing(index, *elasticsearch_stores.WRITES)).encoded
    yield of_writer(ground, {"elasticsearch": spec}, apiKey=login, **{"ca.crt": node.ca.read_text()})


@contextlib.contextmanager
def infisical(_: Ground, namespace: str) -> Iterator[Source]:
    """The stand-in, with universal auth."""
    with InfisicalStandIn() as standin:
        spec = {
            "siteUrl": standin.url,
            "project": standin.project.identity,
            "environment": "prod",
            "caProvider": authority(namespace),
            "auth": {"method": "UniversalAuth", "secretRef": ref(namespace, "clientSecret")},
        }
        yield Source({"infisical": spec}, {**client(standin), "ca.crt": standin.ca.decode()}, each(standin.put))


@contextlib.contextmanager
def kubernetes(ground: Ground, namespace: str) -> Iterator[Source]:
    """Secrets of another namespace, with a token."""
    reader = Reader(ground.plane).make("get", "list", "watch")
    auth = {"method": "Token", "secretRef": ref(namespace, "token")}
    spec = {"remoteNamespace": reader.namespace, "auth": auth}
    put = each(lambda name, value: reader.write(name, {"value": value.encode()}))
    yield Source({"kubernetes": spec}, {"token": reader.token}, put, "value", "a watch")
    reader.end()


@contextlib.contextmanager
def vault(_: Ground, namespace: str) -> Iterator[Source]:
    """A real Vault, with a token."""
    with VaultProxy(vault_server.SHARED.get()) as proxy:
        server = proxy.vault
        engine = server.engine(2)
        spec = {
            "server": proxy.url,
            "rootEngine": engine,
            "caProvider": authority(namespace),
            "auth": {"method": "Token", "secretRef": ref(namespace, "token")},
        }
        login = {"token": server.root_token, "ca.crt": server.ca.read_text()}

        def put(name: str, value: str) -> None:
            server.request("POST", f"{engine}/data/{name}", {"data": {"value": value}})

        yield Source({"vault": spec}, login, each(put), "value")


@contextlib.contextmanager
def sqlite(ground: Ground, namespace: str) -> Iterator[Source]:
    """A file in the operator's data folder, written to as `keyferry secret put` does."""
    yield of_writer(ground, {"sql": {"database": "bench", "encryption": {"keySecretRef": ref(namespace, "key")}}})


def sql(name: str, told: str = "") -> Opens:
    """A real server of that name."""

    @contextlib.contextmanager
    def opened(ground: Ground, namespace: str) -> Iterator[Source]:
        server = SERVERS[name].get()
        database = server.database()
        secure = hasattr(server, "ca")
        spec = {
            server.scheme: {"host": "127.0.0.1", "port": server.port, "database": database},
            "auth": {"secretRef": ref(namespace, "password")},
            "encryption": {"keySecretRef": ref(namespace, "key")},
            **({"caProvider": authority(namespace)} if secure else {"tls": "Disabled"}),
        }
        login = {"username": "admin", "password": server.password, "ca.crt": server.ca.read_text() if secure else ""}
        yield replace(of_writer(ground, {"sql": spec}, **login), told=told)

    return opened


def of_writer(ground: Ground, provider: Mapping[str, Any], **login: str) -> Source:
    """A store that only Keyferry writes to, because its values are encrypted."""
    held = {"key": KEY, **login}

    async def put(values: Mapping[str, str]) -> None:
        cluster = SeededCluster({LOGIN: {key: text.encode() for key, text in held.items()}})
        made = context(cluster=cluster, data_dir=ground.world.data_dir, store=StoreKey("", "bench"), timeout=60)
        backend = registry.create(Provider.model_validate(provider), made)
        try:
            assert isinstance(backend, Writer)
            for name, value in values.items():
                await backend.put(name, value.encode(), {})
        finally:
            await backend.aclose()

    return Source(provider, held, lambda values: asyncio.run(put(values)))


SOURCES: Mapping[str, Opens] = {
    "AWS Secrets Manager": aws,
    "Azure Key Vault": azure,
    "Elasticsearch": elasticsearch,
    "Google Secret Manager": gcp,
    "HashiCorp Vault": vault,
    "HCP Vault Secrets": hcp,
    "Infisical": infisical,
    "Kubernetes": kubernetes,
    "SQL on H2": sql("h2"),
    "SQL on MariaDB": sql("mariadb"),
    "SQL on PostgreSQL": sql("postgresql", "NOTIFY"),
    "SQL on SQLite": sqlite,
}
