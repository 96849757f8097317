"""Stores on the stand-in for HCP Vault Secrets, as tests write them."""

from typing import Any

from keyferry.api.providers.hcp import Hcp
from keyferry.backends.hcp import HcpBackend, create
from keyferry.values import Entry, Fetched, Ref, Scope
from tests.contract.context import SeededCluster, context
from tests.standins.hcp import ORGANIZATION, PROJECT, HcpStandIn

DB = Ref("DB")
LOGIN = "hcp-login"  # the Secret that holds the login
CA = "hcp-ca"
AUTH = {
    "clientIdSecretRef": {"name": LOGIN, "key": "clientId"},
    "clientSecretSecretRef": {"name": LOGIN, "key": "clientSecret"},
}
APP = f"app shop of project {PROJECT}"
PRINCIPAL = f"the service principal in Secret payments/{LOGIN}"
ENDED = "HCP Vault Secrets ended on 1 July 2026"


def holding(hcp: HcpStandIn, **secret: str) -> SeededCluster:
    """A cluster whose Secrets hold the login and the stand-in's certificate authority."""
    login = {key: text.encode() for key, text in secret.items()}
    return SeededCluster({LOGIN: login, CA: {"ca.crt": hcp.ca}})


def place(hcp: HcpStandIn, **more: Any) -> dict[str, Any]:
    """The provider's part of a spec, but for the login."""
    ca = {"type": "Secret", "name": CA, "key": "ca.crt"}
    addresses = {"endpoint": hcp.url, "authEndpoint": hcp.url}
    return {"organization": ORGANIZATION, "project": PROJECT, "app": "shop", **addresses, "caProvider": ca, **more}


def store(hcp: HcpStandIn, *, spec: dict[str, Any] | None = None, **around: Any) -> HcpBackend:
    """A store of the app whose service principal reads it. `around`: as for `context`."""
    if "cluster" not in around:
        around["cluster"] = holding(hcp, **hcp.service_principal())
    said = {name: each for name, each in place(hcp, **(spec or {})).items() if each is not None}
    return create(Hcp.model_validate({**said, "auth": AUTH}), context(**around))


async def one(backend: HcpBackend, ref: Ref = DB) -> Fetched:
    return (await backend.fetch([ref]))[ref]


async def listed(backend: HcpBackend, scope: Scope | None = None) -> dict[str, Entry]:
    return {entry.name: entry async for entry in backend.entries(scope or Scope())}
