"""What a backend may ask of the cluster (`backends.base.Cluster`): Secrets and tokens that its store may name."""

import base64
from dataclasses import dataclass, field
from datetime import datetime

from keyferry.api.providers.references import CaProvider, SecretKeyRef, ServiceAccountRef
from keyferry.errors import CredentialsMissing, SpecInvalid, TokenNotAllowed
from keyferry.kube import consent
from keyferry.kube.client import METADATA, Kube, path
from keyferry.kube.errors import Forbidden, NotFound
from keyferry.values import ApiServer, Key, StoreKey, Token

_TOKEN_SECONDS = 3600  # how long a ServiceAccount's token holds; the chart's admission policy allows no more


@dataclass(slots=True)
class StoreCluster:
    """The cluster as one store may see it. `used` tells which Secrets its login read, and at which version."""

    kube: Kube
    store: StoreKey
    used: dict[Key, str] = field(default_factory=dict)  # "" for one that is not there

    async def secret(self, ref: SecretKeyRef) -> bytes:
        """One key of a Secret. Raises CredentialsMissing that names what is not there."""
        at = Key(self._namespace(ref.namespace, f"Secret {ref.name}"), ref.name)
        try:
            found = await self.kube.get(path("v1", "secrets", at.namespace, at.name))
        except NotFound as missing:
            self.used[at] = ""
            raise CredentialsMissing(
                f"{self.store}: Secret {at} is not there; its key {ref.key} is the login's"
            ) from missing
        self.used[at] = found["metadata"]["resourceVersion"]
        data = found.get("data") or {}
        if ref.key not in data:
            raise CredentialsMissing(f"{self.store}: Secret {at} has no key {ref.key}")
        return base64.b64decode(data[ref.key])

    async def authority(self, ref: CaProvider) -> bytes:
        """The certificates to trust. Raises CredentialsMissing that names what is not there."""
        if ref.type == "Secret":
            return await self.secret(SecretKeyRef(name=ref.name, key=ref.key, namespace=ref.namespace))
        at = Key(self._namespace(ref.namespace, f"ConfigMap {ref.name}"), ref.name)
        try:
            found = await self.kube.get(path("v1", "configmaps", at.namespace, at.name))
        except NotFound as missing:
            raise CredentialsMissing(f"{self.store}: ConfigMap {at} is not there") from missing
        except Forbidden as refused:
            raise CredentialsMissing(
                f"{self.store}: the operator may not read ConfigMap {at}: name a Secret, or allow it (rbac.configMaps)"
            ) from refused
        if ref.key not in (found.get("data") or {}):
            raise CredentialsMissing(f"{self.store}: ConfigMap {at} has no key {ref.key}")
        return str(found["data"][ref.key]).encode()

    async def token(self, ref: ServiceAccountRef, audience: str) -> Token:
        """A fresh token of a ServiceAccount, which allows that.

        Without an audience it is the API server's own. Raises TokenNotAllowed where the account does not allow tokens
        for that audience, CredentialsMissing when there is no such account.
        """
        at = Key(self._namespace(ref.namespace, f"ServiceAccount {ref.name}"), ref.name)
        account = path("v1", "serviceaccounts", at.namespace, at.name)
        request = {"spec": {"expirationSeconds": _TOKEN_SECONDS, **({"audiences": [audience]} if audience else {})}}
        try:
            consent.checked(at, (await self.kube.get(account, accept=METADATA))["metadata"], audience)
            made = await self.kube.send(
                "POST", path("v1", "serviceaccounts", at.namespace, at.name, sub="token"), body=request
            )
        except NotFound as missing:
            raise CredentialsMissing(f"{self.store}: {consent.absent(at, audience)}") from missing
        except TokenNotAllowed as refused:
            raise refused.worded(f"{self.store}: {refused}") from None
        status = made["status"]
        return Token(status["token"], datetime.fromisoformat(status["expirationTimestamp"]).timestamp())

    def api_server(self) -> ApiServer:
        """Where this cluster's API server is. Raises SyncError where there is none."""
        return self.kube.api_server()

    def _namespace(self, named: str | None, what: str) -> str:
        if not self.store.namespace:
            if not named:
                raise SpecInvalid(f"{self.store}: say in which namespace {what} is (namespace:)")
            return named
        if named not in (None, self.store.namespace):
            raise SpecInvalid(f"{self.store}: {what} must be in the store's own namespace {self.store.namespace}")
        return self.store.namespace
