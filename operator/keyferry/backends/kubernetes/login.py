"""Who reads: a ServiceAccount's token, or what a Secret holds. Never the operator itself."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from keyferry.api.providers.kubernetes import Kubernetes, KubernetesMethod
from keyferry.api.providers.references import SecretKeyRef, ServiceAccountRef
from keyferry.backends.address import checked_address
from keyferry.backends.base import Context, Token
from keyferry.backends.kubernetes import kubeconfig
from keyferry.backends.turns import Turns
from keyferry.errors import CredentialsMissing, SpecInvalid, SyncError
from keyferry.values import ApiServer

T = TypeVar("T")

_AHEAD = 300.0  # seconds before its end at which a token is replaced, or a tenth of its life if that is less
_LOOK_AGAIN = 30.0  # seconds until one that could not be replaced is tried again, while it still holds
_OWN_AUDIENCE = ""


class Login(Protocol):
    """Where a token comes from."""

    @property
    def name(self) -> str:
        """As error texts call it."""

    async def token(self) -> str | None:
        """One that holds for a while; None where another thing logs in. Raises SyncError."""

    async def instead_of(self, spent: str | None) -> str | None:
        """Another one than one that was refused; None where there is no other. Raises SyncError."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a Secret holds. Another comes with an edited Secret, and that makes a new backend."""

    name: str
    text: str | None = field(repr=False)

    async def token(self) -> str | None:
        return self.text

    async def instead_of(self, spent: str | None) -> str | None:  # noqa: ARG002 - there is no other
        return None


class OfServiceAccount:
    """A ServiceAccount's tokens. Its turns own the one that is held: whoever finds it due replaces it."""

    def __init__(self, ref: ServiceAccountRef, context: Context, clock: Callable[[], float] = time.time) -> None:
        self.name = f"ServiceAccount {ref.namespace or context.store.namespace}/{ref.name}"
        self._ref = ref
        self._cluster = context.cluster
        self._clock = clock
        self._turns = Turns()
        self._held: Token | None = None
        self._due_at = 0.0

    async def token(self) -> str | None:
        if self._held is None or self._clock() >= self._due_at:
            await self._turns.take(self._prolong)
        return self._held.text if self._held else None

    async def instead_of(self, spent: str | None) -> str | None:
        await self._turns.take(lambda: self._replace(spent))
        return self._held.text if self._held else None

    async def _prolong(self) -> None:
        if self._held and self._clock() < self._due_at:
            return
        try:
            await self._take()
        except SyncError:
            if self._held is None or self._clock() >= self._held.expires_at:
                raise
            self._due_at = min(self._clock() + _LOOK_AGAIN, self._held.expires_at)

    async def _replace(self, spent: str | None) -> None:
        if self._held is None or self._held.text == spent:
            await self._take()

    async def _take(self) -> None:
        held = await self._cluster.token(self._ref, _OWN_AUDIENCE)
        self._due_at = held.expires_at - min(_AHEAD, (held.expires_at - self._clock()) / 10)
        self._held = held


@dataclass(frozen=True, slots=True)
class Way:
    """Where to ask, as who, and what to trust there."""

    server: ApiServer
    own: bool  # this cluster's own API server
    login: Login
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)


async def way_of(spec: Kubernetes, context: Context) -> Way:
    """The store's way to Secrets. Raises SyncError."""
    auth = spec.auth
    if auth.method is KubernetesMethod.SERVICE_ACCOUNT:
        if spec.server:  # a token with this cluster's audience would be good for whoever gets it
            raise SpecInvalid("spec.provider.kubernetes.server goes with Token and Certificate only")
        account = OfServiceAccount(_given(auth.service_account_ref, "serviceAccountRef"), context)
        return Way(context.cluster.api_server(), own=True, login=account)
    ref = _given(auth.secret_ref, "secretRef")
    where = f"Secret {ref.namespace or context.store.namespace}/{ref.name}, key {ref.key}"
    held = await context.cluster.secret(ref)
    if auth.method is KubernetesMethod.KUBECONFIG:
        return _of_kubeconfig(held, where, context)
    server = await _server(spec, context)
    if auth.method is KubernetesMethod.TOKEN:
        return Way(server, own=not spec.server, login=Held(f"the token in {where}", _word(held, where)))
    login = Held(f"the certificate in {where}", None)
    return Way(server, own=not spec.server, login=login, certificate=held, key=await _key(held, ref, context))


def _of_kubeconfig(held: bytes, where: str, context: Context) -> Way:
    found = kubeconfig.read(held, where)
    url = _checked(f"{where}: the kubeconfig's server", found.server, context)
    token = _word(found.token.encode(), where) if found.token else None
    login = Held(f"the user of the kubeconfig in {where}", token)
    return Way(ApiServer(url, found.authority), own=False, login=login, certificate=found.certificate, key=found.key)


async def _server(spec: Kubernetes, context: Context) -> ApiServer:
    if spec.server is None:
        return context.cluster.api_server()
    url = _checked("spec.provider.kubernetes.server.url", spec.server.url, context)
    ca = spec.server.ca_provider
    return ApiServer(url, await context.cluster.authority(ca) if ca else None)


def _checked(field_: str, url: str, context: Context) -> str:
    if not url.startswith("https://"):
        raise SpecInvalid(f"{field_}: write an address that begins with https://")
    return checked_address(field_, url, context.endpoint_allowed)


async def _key(certificate: bytes, ref: SecretKeyRef, context: Context) -> bytes:
    """The private key: in the same text, or as kubernetes.io/tls has it, beside the certificate."""
    if b"PRIVATE KEY" in certificate or ref.key != "tls.crt":
        return b""
    return await context.cluster.secret(ref.model_copy(update={"key": "tls.key"}))


def _word(held: bytes, where: str) -> str:
    """A token: one word, which a header can carry."""
    word = held.strip()
    if not word or not all(0x21 <= each <= 0x7E for each in word):
        raise CredentialsMissing(f"{where} holds no token: it must be one word in ASCII")
    return word.decode()


def _given(part: T | None, name: str) -> T:
    if part is None:
        raise SpecInvalid(f"spec.provider.kubernetes.auth: this method needs {name}")
    return part
