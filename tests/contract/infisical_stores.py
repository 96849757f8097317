"""Stores on the Infisical stand-in, as tests write them."""

from typing import Any

import jwt

from keyferry.api.providers.infisical import Infisical
from keyferry.backends.infisical import InfisicalBackend, create
from keyferry.values import Entry, Fetched, Ref, Scope
from tests.contract.aws_stores import SIGNER
from tests.contract.context import SeededCluster, context
from tests.standins.infisical import InfisicalStandIn
from tests.standins.token_review import refusal

DB = Ref("db")
LOGIN = "infisical-login"  # the Secret that holds the login
CA = "infisical-ca"
UNIVERSAL = {"method": "UniversalAuth", "secretRef": {"name": LOGIN, "key": "clientSecret"}}
SERVICE_TOKEN = {"method": "ServiceToken", "secretRef": {"name": LOGIN, "key": "token"}}


def holding(infisical: InfisicalStandIn, **secret: str) -> SeededCluster:
    """A cluster whose Secrets hold the login and Infisical's certificate authority."""
    login = {key: text.encode() for key, text in secret.items()}
    return SeededCluster({LOGIN: login, CA: {"ca.crt": infisical.ca}})


def client(infisical: InfisicalStandIn, identity: str = "reader") -> dict[str, str]:
    """The login of a new client of that identity, as a Secret holds it."""
    client_id, secret = infisical.universal_auth(identity)
    return {"clientId": client_id, "clientSecret": secret}


def reviewed(token: str) -> str:
    """As Infisical judges what the API server says of a token: what is wrong with it; empty where nothing is."""
    if wrong := refusal(token, SIGNER.public_key()):
        return wrong
    claims = jwt.decode(token, options={"verify_signature": False})
    _, _, namespace, account = claims["sub"].split(":")
    if namespace != "payments":
        return "Kubernetes namespace not allowed."
    if account != "keyferry":
        return "Kubernetes service account name not allowed."
    return "" if claims["aud"] == ["infisical"] else "Kubernetes audience not allowed."


def store(
    infisical: InfisicalStandIn,
    auth: dict[str, Any] | None = None,
    *,
    spec: dict[str, Any] | None = None,
    **around: Any,
) -> InfisicalBackend:
    """A store of environment prod that logs in by universal auth unless told otherwise. `around`: as for `context`."""
    if "cluster" not in around:
        around["cluster"] = holding(infisical, **client(infisical))
    place = {
        "siteUrl": infisical.url,
        "project": infisical.project.identity,
        "environment": "prod",
        "caProvider": {"type": "Secret", "name": CA, "key": "ca.crt"},
    } | (spec or {})
    place = {name: each for name, each in place.items() if each is not None}
    return create(Infisical.model_validate({**place, "auth": auth or UNIVERSAL}), context(**around))


async def one(backend: InfisicalBackend, ref: Ref = DB) -> Fetched:
    return (await backend.fetch([ref]))[ref]


async def listed(backend: InfisicalBackend, scope: Scope | None = None) -> dict[str, Entry]:
    return {entry.name: entry async for entry in backend.entries(scope or Scope())}
