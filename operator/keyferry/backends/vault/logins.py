"""The ways to log in to Vault."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from hvac.adapters import JSONAdapter
from hvac.api import auth_methods

from keyferry.api.providers.references import SecretKeyRef, ServiceAccountRef
from keyferry.api.providers.vault import VaultAuth, VaultMethod
from keyferry.backends.base import Context
from keyferry.backends.session import Grant, Login
from keyferry.backends.vault.errors import About, CallDenied, TokenRefused
from keyferry.errors import AuthFailed, BackendUnavailable, CredentialsMissing, SpecInvalid

# A call to Vault with a token, or with none, within the store's budget.
Ask = Callable[[About, str | None, Callable[[JSONAdapter], Any]], Awaitable[dict[str, Any]]]

AUDIENCE = "vault"
_MOUNTS = {method: method.value.lower() for method in VaultMethod}


def login_of(auth: VaultAuth, context: Context, host: str, ask: Ask) -> Login:
    """The store's login. Raises SpecInvalid where its parts do not fit together."""
    tokens = TokenApi(host, ask)
    if auth.method is VaultMethod.TOKEN:
        return GivenToken(_given(auth.secret_ref, "secretRef"), context, tokens)
    mount = (auth.mount or _MOUNTS[auth.method]).rstrip("/")
    if auth.method is VaultMethod.APP_ROLE:
        return AppRole(_given(auth.role, "role"), _given(auth.secret_ref, "secretRef"), mount, context, tokens)
    if auth.method is VaultMethod.USERPASS:
        user = _given(auth.username, "username")
        return Userpass(user, _given(auth.secret_ref, "secretRef"), mount, context, tokens)
    account = _given(auth.service_account_ref, "serviceAccountRef")
    return OfServiceAccount(_given(auth.role, "role"), account, auth.audience or AUDIENCE, mount, context, tokens)


def _given(part: Any, name: str) -> Any:
    if part is None:
        raise SpecInvalid(f"spec.provider.vault.auth: this method needs {name}")
    return part


@dataclass(frozen=True, slots=True)
class TokenApi:
    """Where tokens are handed out and renewed."""

    host: str
    ask: Ask = field(repr=False)

    async def login(self, name: str, mount: str, call: Callable[[JSONAdapter], Any]) -> Grant:
        """The token of a login."""
        about = About("Login", name, self.host, path=f"auth/{mount}", logging_in=True)
        return _grant(await self.ask(about, None, call), about)

    async def renew(self, name: str, token: str) -> Grant:
        """The same token with more time."""
        about = About("RenewSelf", name, self.host, "update", "auth/token/renew-self")
        return _grant(await self._of_token(about, token, lambda vault: auth_methods.Token(vault).renew_self()), about)

    async def look_up(self, name: str, token: str) -> Grant:
        """A token that somebody else made. Without the right to look it up, it is taken as it is."""
        about = About("LookupSelf", name, self.host, "read", "auth/token/lookup-self")
        try:
            answer = await self.ask(about, token, lambda vault: auth_methods.Token(vault).lookup_self())
        except CallDenied:
            return Grant(token)
        found = answer.get("data") or {}
        life, renewable = found.get("ttl"), found.get("renewable") is True
        if not isinstance(life, int | float):
            raise BackendUnavailable(f"{self.host} looks up a token and does not say how long it holds")
        return Grant(token, life, renewable)

    async def _of_token(self, about: About, token: str, call: Callable[[JSONAdapter], Any]) -> dict[str, Any]:
        try:
            return await self.ask(about, token, call)
        except CallDenied as denied:
            raise TokenRefused(str(denied)) from denied


@dataclass(frozen=True, slots=True)
class GivenToken:
    """A token held in a Secret."""

    ref: SecretKeyRef
    context: Context
    tokens: TokenApi
    repeatable = False  # another one comes with an edited Secret, and that makes a new backend

    @property
    def name(self) -> str:
        return f"the token in {_where(self.ref, self.context)}"

    async def log_in(self) -> Grant:
        return await self.tokens.look_up(self.name, await _word(self.ref, self.context))

    async def renew(self, token: str) -> Grant:
        return await self.tokens.renew(self.name, token)


@dataclass(frozen=True, slots=True)
class AppRole:
    """A role ID, and its secret ID held in a Secret."""

    role: str
    ref: SecretKeyRef
    mount: str
    context: Context
    tokens: TokenApi
    repeatable = True

    @property
    def name(self) -> str:
        return f"the AppRole with the secret ID in {_where(self.ref, self.context)}"

    async def log_in(self) -> Grant:
        secret = await _word(self.ref, self.context)
        return await self.tokens.login(
            self.name,
            self.mount,
            lambda vault: auth_methods.AppRole(vault).login(self.role, secret, use_token=False, mount_point=self.mount),
        )

    async def renew(self, token: str) -> Grant:
        return await self.tokens.renew(self.name, token)


@dataclass(frozen=True, slots=True)
class Userpass:
    """A user, and the password held in a Secret."""

    user: str
    ref: SecretKeyRef
    mount: str
    context: Context
    tokens: TokenApi
    repeatable = True

    @property
    def name(self) -> str:
        return f"user {self.user} with the password in {_where(self.ref, self.context)}"

    async def log_in(self) -> Grant:
        password = await _text(self.ref, self.context)
        return await self.tokens.login(
            self.name,
            self.mount,
            lambda vault: auth_methods.Userpass(vault).login(
                self.user, password, use_token=False, mount_point=self.mount
            ),
        )

    async def renew(self, token: str) -> Grant:
        return await self.tokens.renew(self.name, token)


@dataclass(frozen=True, slots=True)
class OfServiceAccount:
    """A ServiceAccount's token. Logins kubernetes and jwt take it in the same way, wherever they are mounted."""

    role: str
    ref: ServiceAccountRef
    audience: str
    mount: str
    context: Context
    tokens: TokenApi
    repeatable = True

    @property
    def name(self) -> str:
        return f"role {self.role} with the token of ServiceAccount {_where(self.ref, self.context, kind='')}"

    async def log_in(self) -> Grant:
        token = await self.context.cluster.token(self.ref, self.audience)
        return await self.tokens.login(
            self.name,
            self.mount,
            lambda vault: auth_methods.Kubernetes(vault).login(
                self.role, token.text, use_token=False, mount_point=self.mount
            ),
        )

    async def renew(self, token: str) -> Grant:
        return await self.tokens.renew(self.name, token)


def _grant(answer: dict[str, Any], about: About) -> Grant:
    auth = answer.get("auth") or {}
    token, life = auth.get("client_token"), auth.get("lease_duration")
    if auth.get("mfa_requirement"):
        raise AuthFailed(f"{about.login}: Vault asks for a second factor, which Keyferry has not")
    if not isinstance(token, str) or not token or not isinstance(life, int | float):
        raise BackendUnavailable(f"{about.host} answers {about.operation} without a token")
    return Grant(token, life, auth.get("renewable") is True)


async def _text(ref: SecretKeyRef, context: Context) -> str:
    """A password as it is, but for a line's end after it, which is a common slip."""
    data = await context.cluster.secret(ref)
    try:
        text = data.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        text = ""
    if not text:
        raise CredentialsMissing(f"{_where(ref, context)}, key {ref.key} holds no text")
    return text


async def _word(ref: SecretKeyRef, context: Context) -> str:
    """A token or ID: one word, which a header can carry."""
    word = (await _text(ref, context)).strip()
    if not word or not all(0x21 <= ord(character) <= 0x7E for character in word):
        raise CredentialsMissing(
            f"{_where(ref, context)}, key {ref.key} holds no token or ID of Vault's: it must be one word in ASCII"
        )
    return word


def _where(ref: SecretKeyRef | ServiceAccountRef, context: Context, *, kind: str = "Secret ") -> str:
    return f"{kind}{ref.namespace or context.store.namespace}/{ref.name}"
