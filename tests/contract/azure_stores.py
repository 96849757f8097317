"""Stores on the Azure stand-in, as tests write them."""

import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from keyferry.api.providers.azure import Azure
from keyferry.api.providers.references import ServiceAccountRef
from keyferry.backends.azure import AzureBackend, create
from keyferry.values import Entry, Fetched, Ref, Scope
from tests.contract.context import SeededCluster, context
from tests.standins.azure import AzureStandIn
from tests.standins.azure_entra import App, Trust

LOGIN, CA = "azure-login", "azure-ca"  # the Secrets that hold the login and the authority
ISSUER = "https://issuer.example"  # of ServiceAccounts' tokens
AUDIENCE = "api://AzureADTokenExchange"
SIGNER = ec.generate_private_key(ec.SECP256R1())


def client_secret(azure: AzureStandIn, app: App | None = None) -> dict[str, Any]:
    """The spec of a login by the client secret in the Secret."""
    client_id = (app or azure.reader).client_id
    return {"tenantId": azure.tenant, "clientId": client_id, "clientSecretRef": {"name": LOGIN, "key": "secret"}}


def cluster(azure: AzureStandIn, **login: bytes) -> SeededCluster:
    """A cluster whose Secrets hold the login and the authority."""
    data = {"secret": azure.secret.encode(), **login}
    return SeededCluster({LOGIN: data, CA: {"ca.crt": azure.ca.pem.encode()}})


def store(azure: AzureStandIn, auth: dict[str, Any] | None = None, **surroundings: Any) -> AzureBackend:
    """A store that logs in by client secret unless told otherwise. `surroundings`: `spec`, and as for `context`."""
    surroundings.setdefault("cluster", cluster(azure))
    spec = {
        "vault": azure.url,
        "authorityHost": azure.authority,
        "caProvider": {"type": "Secret", "name": CA, "key": "ca.crt"},
        "auth": client_secret(azure) if auth is None else auth,
    }
    return create(Azure(**(spec | surroundings.pop("spec", {}))), context(**surroundings))


def signed(account: ServiceAccountRef, audience: str, **claims: Any) -> str:
    """A ServiceAccount's token as an API server signs it."""
    subject = f"system:serviceaccount:payments:{account.name}"
    content = {"iss": ISSUER, "sub": subject, "aud": [audience], "exp": time.time() + 600} | claims
    return jwt.encode(content, SIGNER, algorithm="ES256", headers={"kid": "k"})


def trusting(azure: AzureStandIn, name: str = "keyferry", **more: str) -> App:
    """An application that trusts one ServiceAccount and may do everything."""
    subject = f"system:serviceaccount:payments:{name}"
    trust = {"subject": subject, "issuer": ISSUER, "audience": AUDIENCE} | more
    app = azure.entra.app(trusts=[Trust(**trust, keys=lambda _: SIGNER.public_key())])
    azure.grant(app.client_id, {"*"})
    return app


async def one(backend: AzureBackend, name: str, version: str = "") -> Fetched:
    """The answer for a single secret."""
    ref = Ref(name, version)
    return (await backend.fetch([ref]))[ref]


async def listed(backend: AzureBackend) -> dict[str, Entry]:
    """Every entry of the catalogue by its name."""
    return {entry.name: entry async for entry in backend.entries(Scope())}
