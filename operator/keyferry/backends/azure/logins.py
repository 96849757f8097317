"""Which login a store has, and whether it may have it; each way to log in is a class."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity import CredentialUnavailableError
from azure.identity.aio import (
    CertificateCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
)

from keyferry.api.providers.azure import APPLICATION, ONE_LOGIN, Azure, AzureAuth
from keyferry.api.providers.references import SecretKeyRef, ServiceAccountRef
from keyferry.backends.azure import entra, sdk
from keyferry.backends.azure.entra import Applicant
from keyferry.backends.azure.place import Place
from keyferry.backends.azure.wallet import AccessToken
from keyferry.backends.base import Context
from keyferry.errors import AuthFailed, CredentialsMissing, SpecInvalid, SyncError

AMBIENT_FLAG = "--allow-ambient-in-namespaces"
AUDIENCE = "api://AzureADTokenExchange"  # what Entra expects in tokens that it exchanges
Make = Callable[[AioHttpTransport], AsyncTokenCredential]


@dataclass(frozen=True, slots=True)
class Office:
    """Where tokens are issued, and how to get there."""

    place: Place
    network: sdk.Network
    context: Context

    def applicant(self, name: str, auth: AzureAuth) -> Applicant:
        host = urlsplit(self.place.authority).netloc
        return Applicant(name, host, auth.tenant_id or "", auth.client_id or "")

    def at(self, transport: AioHttpTransport) -> dict[str, Any]:
        """How a credential gets to Entra."""
        authority = self.place.authority
        way = {"transport": transport, "proxies": self.network.proxies(authority)}
        return {"authority": authority, "retry_total": 0, **way}

    async def issue(self, applicant: Applicant, make: Make) -> AccessToken:
        """A token, by one call in the store's budget. The credential keeps none: it is made for this one call."""

        async def call() -> AccessToken:
            async with _closing(self.network, make, applicant) as credential:
                got = await credential.get_token(self.place.scope)
                return AccessToken.lasting_until(got.expires_on, time.time(), got.token)

        return await self.context.call(entra.OPERATION, call)


def login_of(spec: Azure, office: Office) -> "Secret | Certificate | Federated | OfOperator":
    """The store's login. Raises SpecInvalid where the store may not log in so."""
    auth = spec.auth or AzureAuth()
    given = [auth.client_secret_ref, auth.client_certificate_ref, auth.service_account_ref, auth.managed_identity]
    if sum(each is not None for each in given) > 1 or (spec.auth and not any(each is not None for each in given)):
        raise SpecInvalid(f"spec.provider.azure.auth: {ONE_LOGIN}")
    if auth.password_key and not auth.client_certificate_ref:
        raise SpecInvalid("spec.provider.azure.auth: passwordKey goes with clientCertificateRef: give that, or neither")
    if spec.auth is not None and auth.managed_identity is None:
        return _application(auth, office)
    if not office.context.ambient:
        raise SpecInvalid(
            f"spec.provider.azure.auth: a {office.context.store.kind} may not use the operator's own credentials; give "
            f"clientSecretRef, clientCertificateRef or serviceAccountRef. Whoever runs the operator can allow it with "
            f"{AMBIENT_FLAG}"
        )
    return OfOperator(spec, auth, office)


def _application(auth: AzureAuth, office: Office) -> "Secret | Certificate | Federated":
    if not auth.tenant_id or not auth.client_id:
        raise SpecInvalid(f"spec.provider.azure.auth: {APPLICATION}")
    if auth.client_secret_ref:
        return Secret(auth, auth.client_secret_ref, office)
    if auth.client_certificate_ref:
        return Certificate(auth, auth.client_certificate_ref, office)
    if auth.service_account_ref:
        return Federated(auth, auth.service_account_ref, office)
    raise SpecInvalid(f"spec.provider.azure.auth: {ONE_LOGIN}")


@dataclass(frozen=True, slots=True)
class Secret:
    """A client secret held in a Secret."""

    auth: AzureAuth
    ref: SecretKeyRef
    office: Office

    @property
    def name(self) -> str:
        return f"the client secret in {_where(self.ref, self.office.context)}"

    async def token(self) -> AccessToken:
        # A line's end after it is a common slip, and means nothing.
        word = (await self.office.context.cluster.secret(self.ref)).strip()
        if not word or not all(0x21 <= byte <= 0x7E for byte in word):
            raise CredentialsMissing(
                f"{_where(self.ref, self.office.context)}, key {self.ref.key} holds no client secret: it must be one "
                "word in ASCII"
            )
        tenant, client = self.auth.tenant_id or "", self.auth.client_id or ""
        return await self.office.issue(
            self.office.applicant(self.name, self.auth),
            lambda transport: ClientSecretCredential(tenant, client, word.decode("ascii"), **self.office.at(transport)),
        )


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its RSA key, held in a Secret."""

    auth: AzureAuth
    ref: SecretKeyRef
    office: Office

    @property
    def name(self) -> str:
        return f"the certificate in {_where(self.ref, self.office.context)}"

    async def token(self) -> AccessToken:
        data = await self.office.context.cluster.secret(self.ref)
        password = await self._password()
        tenant, client = self.auth.tenant_id or "", self.auth.client_id or ""

        def make(transport: AioHttpTransport) -> AsyncTokenCredential:
            try:
                return CertificateCredential(
                    tenant, client, certificate_data=data, password=password, **self.office.at(transport)
                )
            except (ValueError, TypeError):  # their texts may quote what they choked on
                problem = CredentialsMissing(
                    f"{_where(self.ref, self.office.context)}, key {self.ref.key} holds no certificate with its RSA "
                    "key, as PEM or PFX, that opens with the password given (passwordKey)"
                )
            raise problem

        return await self.office.issue(self.office.applicant(self.name, self.auth), make)

    async def _password(self) -> bytes | None:
        if self.auth.password_key is None:
            return None
        key = self.ref.model_copy(update={"key": self.auth.password_key})
        return (await self.office.context.cluster.secret(key)).rstrip(b"\r\n")


@dataclass(frozen=True, slots=True)
class Federated:
    """A ServiceAccount's token, exchanged for one of the application or managed identity that trusts it."""

    auth: AzureAuth
    ref: ServiceAccountRef
    office: Office

    @property
    def name(self) -> str:
        return f"the token of ServiceAccount {self._namespace}/{self.ref.name}"

    @property
    def _namespace(self) -> str:
        return self.ref.namespace or self.office.context.store.namespace

    async def token(self) -> AccessToken:
        assertion = await self.office.context.cluster.token(self.ref, AUDIENCE)
        tenant, client = self.auth.tenant_id or "", self.auth.client_id or ""
        applicant = replace(
            self.office.applicant(self.name, self.auth),
            subject=f"system:serviceaccount:{self._namespace}:{self.ref.name}",
            audience=AUDIENCE,
        )
        return await self.office.issue(
            applicant,
            lambda transport: ClientAssertionCredential(
                tenant, client, lambda: assertion.text, **self.office.at(transport)
            ),
        )


@dataclass(frozen=True, slots=True)
class OfOperator:
    """The operator's own: a managed identity, or whatever the SDK's chain finds in its pod."""

    spec: Azure
    auth: AzureAuth
    office: Office

    @property
    def name(self) -> str:
        if self.auth.managed_identity is None:
            return "the operator's own Azure credentials"
        return f"the operator's managed identity{f' {self.auth.client_id}' if self.auth.client_id else ''}"

    async def token(self) -> AccessToken:
        managed = self.auth.managed_identity is not None
        applicant = replace(self.office.applicant(self.name, self.auth), own=True)
        if managed:
            applicant = replace(applicant, host="the identity's endpoint", near=True)
        return await self.office.issue(applicant, self._managed if managed else self._chain)

    def _managed(self, transport: AioHttpTransport) -> AsyncTokenCredential:
        # The identity's endpoint is the node's own, and no proxy's business.
        return ManagedIdentityCredential(client_id=self.auth.client_id, transport=transport, retry_total=0)

    def _chain(self, transport: AioHttpTransport) -> AsyncTokenCredential:
        return DefaultAzureCredential(
            exclude_cli_credential=True,
            exclude_developer_cli_credential=True,
            exclude_powershell_credential=True,
            exclude_shared_token_cache_credential=True,
            exclude_visual_studio_code_credential=True,
            **self.office.at(transport),
        )


def _where(ref: SecretKeyRef, context: Context) -> str:
    return f"Secret {ref.namespace or context.store.namespace}/{ref.name}"


@contextlib.asynccontextmanager
async def _closing(network: sdk.Network, make: Make, applicant: Applicant) -> AsyncIterator[AsyncTokenCredential]:
    """A credential for one use. Whatever the SDK raises inside becomes one of our errors."""
    sdk.quiet()
    transport = network.transport()
    try:
        async with transport:
            yield make(transport)
    except (AzureError, OSError, *sdk.TRIPPED) as e:
        met = transport.met(applicant.host) or e
        fault = None if applicant.near else network.route.fault(met, entra.OPERATION, f"https://{applicant.host}")
        raise fault or _refused(met, applicant) from e


def _refused(error: BaseException, applicant: Applicant) -> SyncError:
    failure = sdk.failure_of(error)
    number = entra.number_in(error.message) if isinstance(error, AzureError) else ""
    unavailable = isinstance(error, CredentialUnavailableError) or (
        applicant.own and isinstance(error, ClientAuthenticationError) and error.response is None
    )
    if unavailable and not number:
        return AuthFailed(
            f"{applicant.name}: Azure's SDK finds none in the operator's pod: give the pod an identity and restart the "
            "operator, or give spec.provider.azure.auth another login"
        )
    return entra.refused(number, failure, applicant)
