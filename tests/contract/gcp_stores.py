"""Stores on the Google stand-in, as tests write them."""

import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from keyferry.api.providers.gcp import Gcp
from keyferry.api.providers.references import ServiceAccountRef
from keyferry.backends.gcp import GcpBackend, create
from tests.contract.context import SeededCluster, context
from tests.standins.gcp import PROJECT, GcpStandIn
from tests.standins.gcp_sts import Provider

KEY = {"serviceAccountKeySecretRef": {"name": "gcp", "key": "key.json"}}
CA = {"type": "Secret", "name": "gcp", "key": "ca.crt"}
ISSUER = "https://issuer.example"  # of ServiceAccounts' tokens
SIGNER = ec.generate_private_key(ec.SECP256R1())
PROVIDER = "projects/123456789012/locations/global/workloadIdentityPools/clusters/providers/production"
SUBJECT = (
    f"principal://iam.googleapis.com/{PROVIDER.partition('/providers/')[0]}/subject/"
    "system:serviceaccount:payments:keyferry"
)


def holding(gcp: GcpStandIn, key: bytes | None = None) -> SeededCluster:
    """A cluster whose Secret holds the key, the admin's unless told otherwise, and the stand-in's CA."""
    return SeededCluster({"gcp": {"key.json": gcp.admin.key_file() if key is None else key, "ca.crt": gcp.ca}})


def store(
    gcp: GcpStandIn,
    auth: dict[str, Any] | None = KEY,
    *,
    key: bytes | None = None,
    spec: dict[str, Any] | None = None,
    **surroundings: Any,
) -> GcpBackend:
    """A store that logs in with the key unless told otherwise. `surroundings`: as for `context`."""
    surroundings.setdefault("cluster", holding(gcp, key))
    place = {"projectId": PROJECT, "endpoint": gcp.url, "authEndpoint": gcp.auth_url, "caProvider": CA} | (spec or {})
    return create(Gcp(**place, auth=auth), context(**surroundings))


def trusting(gcp: GcpStandIn, **more: Any) -> None:
    """The project has a pool that accepts the cluster's ServiceAccounts."""
    gcp.sts.providers[PROVIDER] = Provider(ISSUER, lambda _: SIGNER.public_key(), **more)


def signed(account: ServiceAccountRef, audience: str, **claims: Any) -> str:
    """A ServiceAccount's token as an API server signs it."""
    subject = f"system:serviceaccount:payments:{account.name}"
    content = {"iss": ISSUER, "sub": subject, "aud": [audience], "iat": time.time(), "exp": time.time() + 600} | claims
    return jwt.encode(content, SIGNER, algorithm="ES256", headers={"kid": "k"})


def federated(gcp: GcpStandIn, token: Any = signed, *, account: str = "keyferry", **more: Any) -> GcpBackend:
    """A store that logs in with a ServiceAccount's token."""
    cluster = SeededCluster(holding(gcp).secrets, token_for=token)
    spec = {"serviceAccountRef": {"name": account}, "provider": PROVIDER, **more}
    return store(gcp, {"workloadIdentity": spec}, cluster=cluster)
