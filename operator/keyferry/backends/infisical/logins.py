"""The ways to log in to Infisical."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from keyferry.api.providers.infisical import InfisicalAuth, InfisicalMethod
from keyferry.api.providers.references import SecretKeyRef, ServiceAccountRef
from keyferry.backends.base import Context
from keyferry.backends.held import where, word
from keyferry.backends.infisical.client import Answer, Request
from keyferry.backends.infisical.errors import About
from keyferry.backends.session import Grant, Login
from keyferry.errors import BackendUnavailable, CredentialsMissing, SpecInvalid

# A call to Infisical with a token, or with none, within the store's budget.
Ask = Callable[[About, Request, str | None], Awaitable[Answer]]

AUDIENCE = "infisical"
CLIENT_ID_KEY = "clientId"
_WORD = "ID or secret of Infisical's"
_SERVICE_TOKEN = re.compile(r"(?P<sent>st\.[^.]+\.[^.]+)(\.[^.]+)?")  # the last part is a key, and is not sent


def login_of(auth: InfisicalAuth, context: Context, host: str, ask: Ask) -> Login:
    """The store's login. Raises SpecInvalid where its parts do not fit together."""
    if auth.method is InfisicalMethod.KUBERNETES:
        if auth.service_account_ref is None or auth.identity_id is None:
            raise SpecInvalid("spec.provider.infisical.auth: this method needs identityId and serviceAccountRef")
        audience = auth.audience or AUDIENCE
        return OfServiceAccount(auth.identity_id, auth.service_account_ref, audience, context, Exchange(host, ask))
    if auth.secret_ref is None:
        raise SpecInvalid("spec.provider.infisical.auth: this method needs secretRef")
    if auth.method is InfisicalMethod.SERVICE_TOKEN:
        return ServiceToken(auth.secret_ref, context)
    client = auth.secret_ref.model_copy(update={"key": auth.client_id_key or CLIENT_ID_KEY})
    return UniversalAuth(client, auth.secret_ref, context, Exchange(host, ask))


@dataclass(frozen=True, slots=True)
class Exchange:
    """Where a login becomes a token."""

    host: str
    ask: Ask = field(repr=False)

    async def token(self, name: str, method: str, **body: str) -> Grant:
        """The token of a login. Raises SyncError."""
        about = About("Login", name, self.host, where=method, logging_in=True)
        answer = await self.ask(about, Request("POST", f"/api/v1/auth/{method}/login", body=body), None)
        token, life = answer.body.get("accessToken"), answer.body.get("expiresIn")
        if not isinstance(token, str) or not token or not isinstance(life, int | float):
            raise BackendUnavailable(f"{self.host} answers Login without a token")
        return Grant(token, life)


@dataclass(frozen=True, slots=True)
class UniversalAuth:
    """A machine identity's client ID and client secret."""

    client: SecretKeyRef
    secret: SecretKeyRef
    context: Context
    exchange: Exchange
    repeatable = True

    @property
    def name(self) -> str:
        return f"the identity in {where(self.secret, self.context)}"

    async def log_in(self) -> Grant:
        client, secret = await word(self.client, self.context, _WORD), await word(self.secret, self.context, _WORD)
        return await self.exchange.token(self.name, "universal-auth", clientId=client, clientSecret=secret)

    async def renew(self, token: str) -> Grant:  # noqa: ARG002 - a new login costs the same, and has no longest life
        return await self.log_in()


@dataclass(frozen=True, slots=True)
class OfServiceAccount:
    """A ServiceAccount's token, which Infisical has the cluster's API server review."""

    identity: str
    ref: ServiceAccountRef
    audience: str
    context: Context
    exchange: Exchange
    repeatable = True

    @property
    def name(self) -> str:
        return f"identity {self.identity} with the token of ServiceAccount {where(self.ref, self.context)}"

    async def log_in(self) -> Grant:
        token = await self.context.cluster.token(self.ref, self.audience)
        return await self.exchange.token(self.name, "kubernetes-auth", identityId=self.identity, jwt=token.text)

    async def renew(self, token: str) -> Grant:  # noqa: ARG002 - likewise
        return await self.log_in()


@dataclass(frozen=True, slots=True)
class ServiceToken:
    """One of the old service tokens, held in a Secret."""

    ref: SecretKeyRef
    context: Context
    repeatable = False  # another one comes with an edited Secret, and that makes a new backend

    @property
    def name(self) -> str:
        return f"the service token in {where(self.ref, self.context)}"

    async def log_in(self) -> Grant:
        found = _SERVICE_TOKEN.fullmatch(await word(self.ref, self.context, _WORD))
        if not found:
            raise CredentialsMissing(
                f"{where(self.ref, self.context)}, key {self.ref.key} holds no service token: one begins with st. and "
                "has three or four parts"
            )
        return Grant(found["sent"])

    async def renew(self, token: str) -> Grant:
        return Grant(token)
