"""Which login a store has, and whether it may have it; and the login by a service account's key."""

import json
import time
from dataclasses import dataclass
from typing import Any, Protocol, cast

from google.auth import crypt, jwt

from keyferry.api.providers.gcp import Gcp, GcpAuth
from keyferry.api.providers.references import SecretKeyRef
from keyferry.backends.base import Context
from keyferry.backends.gcp.ambient import Ambient
from keyferry.backends.gcp.federation import Federated
from keyferry.backends.gcp.http import Https
from keyferry.backends.gcp.place import SERVICE, Place
from keyferry.backends.gcp.tokens import Bearer, Login
from keyferry.errors import CredentialsMissing, SpecInvalid

AMBIENT_FLAG = "--allow-ambient-in-namespaces"
_LASTS = 3600.0  # seconds; Google takes no more


class Signer(Protocol):
    """What signs tokens."""

    def sign(self, message: bytes) -> bytes: ...


def login_of(spec: Gcp, context: Context, place: Place, https: Https) -> Login:
    """The store's login. Raises SpecInvalid where the store may not log in so."""
    auth = spec.auth or GcpAuth()
    if auth.service_account_key_secret_ref and auth.workload_identity:
        raise SpecInvalid("spec.provider.gcp.auth: give only one of serviceAccountKeySecretRef and workloadIdentity")
    if auth.service_account_key_secret_ref:
        return ServiceAccountKey(auth.service_account_key_secret_ref, context)
    if auth.workload_identity:
        return Federated(auth.workload_identity, context, place, https)
    if not context.ambient:
        raise SpecInvalid(
            f"spec.provider.gcp.auth: a {context.store.kind} may not use the operator's own credentials; give "
            "serviceAccountKeySecretRef or workloadIdentity. Whoever runs the operator can allow it with "
            f"{AMBIENT_FLAG}"
        )
    return Ambient(context, https.route)


@dataclass(frozen=True, slots=True)
class ServiceAccountKey:
    """The key of a Google service account. It signs its tokens itself, so that logging in asks nobody."""

    ref: SecretKeyRef
    context: Context

    @property
    def name(self) -> str:
        return f"the service account key in {self._where}"

    @property
    def _where(self) -> str:
        return f"Secret {self.ref.namespace or self.context.store.namespace}/{self.ref.name}, key {self.ref.key}"

    async def bearer(self) -> Bearer:
        email, signer = self._read(await self.context.cluster.secret(self.ref))
        now = time.time()
        # For the whole service and its regions, as Google's own client does it (google.aip.dev/auth/4111).
        claims = {"iss": email, "sub": email, "aud": f"https://{SERVICE}/", "iat": int(now), "exp": int(now + _LASTS)}
        return Bearer.lasting(jwt.encode(signer, claims).decode("ascii"), _LASTS, now)

    async def aclose(self) -> None:
        """It holds nothing."""

    def _read(self, data: bytes) -> tuple[str, Signer]:
        """The account and what signs for it. Of the JSON nothing else counts: it names addresses, too."""
        content = _object(data)
        if content is None:
            raise CredentialsMissing(f"{self._where} is no service account key: it is no JSON object")
        kind = content.get("type")
        if kind in {"external_account", "external_account_authorized_user", "impersonated_service_account"}:
            raise SpecInvalid(
                f"{self._where} is of type {kind}, which names files, commands or addresses to follow: "
                "write spec.provider.gcp.auth.workloadIdentity instead"
            )
        email, key = content.get("client_email"), content.get("private_key")
        if kind != "service_account" or not isinstance(email, str) or not isinstance(key, str):
            raise CredentialsMissing(
                f"{self._where} is no service account key: it needs type service_account, client_email and private_key"
            )
        signer = _signer(key, content.get("private_key_id"))
        if signer is None:
            raise CredentialsMissing(f"{self._where}: its private_key is no RSA key in PEM")
        return email, signer


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _signer(key: str, key_id: object) -> Signer | None:
    try:
        return cast("Signer", crypt.RSASigner.from_string(key, str(key_id) if key_id else None))
    except (ValueError, TypeError):
        return None
