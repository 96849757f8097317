"""A store of each backend whose addresses lead nowhere, unless one comes through a proxy that knows the way."""

import ssl
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from keyferry.api.providers.kubernetes import Kubernetes
from keyferry.api.store import StoreProxy
from keyferry.backends import kubernetes
from keyferry.backends.base import Backend
from keyferry.errors import SyncError
from keyferry.values import Fetched, Ref
from tests.contract import (
    aws_stores,
    azure_stores,
    elasticsearch_stores,
    gcp_stores,
    hcp_stores,
    infisical_stores,
    kubernetes_stores,
    vault_stores,
)
from tests.contract.context import SeededCluster, context
from tests.controlplane.shared import shared
from tests.servers import certificates, elasticsearch_server, vault_server
from tests.standins.aws import AwsStandIn
from tests.standins.aws_sts import Issuer
from tests.standins.azure import AzureStandIn
from tests.standins.connect_proxy import PASSWORD, USER, ConnectProxy
from tests.standins.gcp import GcpStandIn
from tests.standins.gcp_iam import EVERYTHING
from tests.standins.hcp import HcpStandIn
from tests.standins.infisical import InfisicalStandIn
from tests.standins.tcp_proxy import proxy_before
from tests.standins.vault_proxy import VaultProxy

ONE, TWO, THREE = (f"127.0.0.1:{port}" for port in (1, 2, 3))  # nobody listens there
LOGIN = {"username": USER.encode(), "password": f"{PASSWORD}\n".encode()}  # a line's end is a common slip
Make = Callable[..., Backend]  # with what `context` takes


@dataclass(frozen=True)
class Behind:
    """How to make the store, and where its addresses lead."""

    make: Make
    ways: Mapping[str, int]
    ref: Ref  # of a secret that is there
    standin: Any = None


@asynccontextmanager
async def aws(folder: Path, environment: pytest.MonkeyPatch) -> AsyncIterator[Behind]:
    """Secrets Manager, STS and a queue of SQS, each at an address of its own."""
    for name, text in {"HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true"}.items():
        environment.setenv(name, text)
    (folder / "ca.crt").write_bytes(certificates.write(folder))
    environment.setenv("AWS_CA_BUNDLE", str(folder / "ca.crt"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "apiserver.crt", folder / "apiserver.key")
    with AwsStandIn() as standin:
        async with proxy_before(urlsplit(standin.url).port or 0, tls) as front:
            standin.sts.issuers[aws_stores.ISSUER] = Issuer(
                ("sts.amazonaws.com",), lambda _: aws_stores.SIGNER.public_key()
            )
            standin.sts.role("payments", issuer=aws_stores.ISSUER, subject="system:serviceaccount:payments:keyferry")
            queue = urlsplit(standin.queue("changes")).path
            spec: dict[str, Any] = {"endpoint": f"https://{ONE}", "stsEndpoint": f"https://{TWO}"}
            spec |= {"events": {"sqs": {"queueUrl": f"https://{THREE}{queue}"}}}
            auth = {"webIdentity": aws_stores.WEB | {"roleArn": f"arn:aws:iam::{standin.account}:role/payments"}}
            cluster = SeededCluster(token_for=aws_stores.signed)
            yield Behind(
                lambda auth=auth, **more: aws_stores.store(standin, auth, spec=spec, **_known(cluster, more)),
                dict.fromkeys((ONE, TWO, THREE), front.port),
                Ref(standin.put("db", "v")),
                standin,
            )


@asynccontextmanager
async def azure(folder: Path, environment: pytest.MonkeyPatch) -> AsyncIterator[Behind]:
    """A vault, and Entra."""
    environment.setenv("HOME", str(folder))
    with AzureStandIn() as standin:
        standin.put("db", "v")
        standin.entra.base = f"https://{TWO}"
        spec = {"vault": f"https://{ONE}", "authorityHost": f"https://{TWO}"}
        cluster = azure_stores.cluster(standin)
        port = urlsplit(standin.url).port or 0
        yield Behind(
            lambda auth=None, **more: azure_stores.store(standin, auth, spec=spec, **_known(cluster, more)),
            {ONE: port, TWO: port},
            Ref("db"),
            standin,
        )


@asynccontextmanager
async def elasticsearch(_: Path, __: pytest.MonkeyPatch) -> AsyncIterator[Behind]:
    """A real node."""
    node, index = elasticsearch_server.SHARED.get(), elasticsearch_server.unique("behind")
    cluster = elasticsearch_stores.holding(
        node, apiKey=node.key(elasticsearch_server.allowing(index, *elasticsearch_stores.WRITES)).encoded
    )
    async with aclosing(elasticsearch_stores.store(node, index, cluster=cluster)) as direct:
        await direct.put("db", b"v", {})
    yield Behind(
        lambda **more: elasticsearch_stores.store(node, index, url=f"https://{ONE}", **_known(cluster, more)),
        {ONE: urlsplit(node.url).port or 0},
        Ref("db"),
    )


@asynccontextmanager
async def gcp(folder: Path, environment: pytest.MonkeyPatch) -> AsyncIterator[Behind]:
    """Secret Manager over gRPC; STS, asked over HTTPS."""
    environment.setenv("HOME", str(folder))
    with GcpStandIn() as standin:
        standin.put("db", b"v")
        gcp_stores.trusting(standin)
        standin.iam.allow(gcp_stores.SUBJECT, EVERYTHING)
        cluster = SeededCluster(gcp_stores.holding(standin).secrets, token_for=gcp_stores.signed)
        spec = {"endpoint": f"https://{ONE}", "authEndpoint": f"https://{TWO}"}
        auth = {"workloadIdentity": {"serviceAccountRef": {"name": "keyferry"}, "provider": gcp_stores.PROVIDER}}
        yield Behind(
            lambda auth=auth, **more: gcp_stores.store(standin, auth, spec=spec, **_known(cluster, more)),
            {ONE: urlsplit(standin.url).port or 0, TWO: urlsplit(standin.auth_url).port or 0},
            Ref("db"),
            standin,
        )


@asynccontextmanager
async def hcp(_: Path, __: pytest.MonkeyPatch) -> AsyncIterator[Behind]:
    """The API, and where tokens come from."""
    with HcpStandIn() as standin:
        standin.put("DB", "v")
        cluster = hcp_stores.holding(standin, **standin.service_principal())
        spec = {"endpoint": f"https://{ONE}", "authEndpoint": f"https://{TWO}"}
        yield Behind(
            lambda **more: hcp_stores.store(standin, spec=spec, **_known(cluster, more)),
            {ONE: standin.wire.port, TWO: standin.wire.port},
            Ref("DB"),
        )


@asynccontextmanager
async def infisical(_: Path, __: pytest.MonkeyPatch) -> AsyncIterator[Behind]:
    """All of Infisical is at one address."""
    with InfisicalStandIn() as standin:
        standin.put("db", "v")
        cluster = infisical_stores.holding(standin, **infisical_stores.client(standin))
        spec = {"siteUrl": f"https://{ONE}"}
        yield Behind(
            lambda **more: infisical_stores.store(standin, spec=spec, **_known(cluster, more)),
            {ONE: standin.wire.port},
            Ref("db"),
        )


@asynccontextmanager
async def another_cluster(_: Path, __: pytest.MonkeyPatch) -> AsyncIterator[Behind]:
    """A real API server, as another cluster's."""
    reader = kubernetes_stores.Reader(shared()).make()
    reader.write("db", {"value": b"v"}, {})
    cluster = SeededCluster(
        {
            kubernetes_stores.LOGIN: {"token": reader.token.encode()},
            "ca": {"ca.crt": reader.plane.ca_file.read_bytes()},
        }
    )
    server = {"url": f"https://{ONE}", "caProvider": {"type": "Secret", "name": "ca", "key": "ca.crt"}}
    spec = {"remoteNamespace": reader.namespace, "auth": kubernetes_stores.TOKEN, "server": server}
    yield Behind(
        lambda **more: kubernetes.create(Kubernetes.model_validate(spec), context(**_known(cluster, more))),
        {ONE: reader.port},
        Ref("db"),
    )
    reader.end()


@asynccontextmanager
async def vault(_: Path, __: pytest.MonkeyPatch) -> AsyncIterator[Behind]:
    """A real Vault."""
    with VaultProxy(vault_server.SHARED.get()) as proxy:
        mount = proxy.vault.engine(2)
        vault_stores.write(proxy, mount, "db", value="v")
        auth, secret_id = vault_stores.app_role(proxy.vault, vault_stores.everything(proxy.vault, mount))
        cluster = vault_stores.holding(proxy.vault, **{"secret-id": secret_id})
        spec = {"server": f"https://{ONE}"}
        yield Behind(
            lambda **more: vault_stores.store(proxy, mount, auth, spec=spec, **_known(cluster, more)),
            {ONE: proxy.port},
            Ref("db"),
        )


PLACES: dict[str, Callable[[Path, pytest.MonkeyPatch], AbstractAsyncContextManager[Behind]]] = {
    "aws": aws,
    "azure": azure,
    "elasticsearch": elasticsearch,
    "gcp": gcp,
    "hcp": hcp,
    "infisical": infisical,
    "kubernetes": another_cluster,
    "vault": vault,
}


def through(behind: Behind, proxy: ConnectProxy, **more: Any) -> Backend:
    """The store, with that proxy in its spec."""
    spec = StoreProxy.model_validate({"url": proxy.url, "secretRef": {"name": "proxy"}})
    return behind.make(**{"proxy": spec, "login": LOGIN, **more})


async def one(backend: Backend, ref: Ref) -> Fetched:
    return (await backend.fetch([ref]))[ref]


async def said(backend: Backend, ref: Ref, kind: type[SyncError]) -> str:
    """What the store says when it is asked for a value, which must be that it fails so."""
    async with aclosing(backend):
        answer = await one(backend, ref)
    assert type(answer) is kind, answer
    assert "canary" not in "".join(traceback.format_exception(answer))
    return str(answer)


def _known(cluster: SeededCluster, more: dict[str, Any]) -> dict[str, Any]:
    """The store's surroundings, and a Secret `proxy` where one is given as `login`."""
    login = more.pop("login", None)
    secrets = {**cluster.secrets, "proxy": login} if login else cluster.secrets
    return {"cluster": SeededCluster(secrets, cluster.token_for), **more}
