"""A store's surroundings for backends under test: its cluster, its budget, its rights."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from keyferry.api.providers.references import CaProvider, SecretKeyRef, ServiceAccountRef
from keyferry.api.store import StoreProxy
from keyferry.backends.base import Context, Token
from keyferry.errors import BackendUnavailable, CredentialsMissing
from keyferry.values import ApiServer, Scope, StoreKey

T = TypeVar("T")


@dataclass
class CountingCalls:
    """The budget without its limits on rate: counts by operation, and holds the timeout."""

    timeout: float
    counts: Counter[str] = field(default_factory=Counter)

    async def __call__(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        return await self.beside(operation, call, within=self.timeout)

    async def beside(self, operation: str, call: Callable[[], Awaitable[T]], *, within: float) -> T:
        self.counts[operation] += 1
        try:
            async with asyncio.timeout(within):
                return await call()
        except TimeoutError as e:
            raise BackendUnavailable(f"{operation} took longer than {within:g}s") from e


def no_token(_: ServiceAccountRef, __: str) -> str:
    raise CredentialsMissing("no such ServiceAccount")


@dataclass
class SeededCluster:
    """Secrets by name, whatever the namespace, and a maker of tokens."""

    secrets: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    token_for: Callable[[ServiceAccountRef, str], str] = no_token
    server: ApiServer = field(default_factory=lambda: ApiServer("https://kubernetes.invalid"))

    async def secret(self, ref: SecretKeyRef) -> bytes:
        try:
            return self.secrets[ref.name][ref.key]
        except KeyError:
            raise CredentialsMissing(f"Secret {ref.name} has no key {ref.key}") from None

    async def authority(self, ref: CaProvider) -> bytes:
        return await self.secret(SecretKeyRef(name=ref.name, key=ref.key))

    async def token(self, ref: ServiceAccountRef, audience: str) -> Token:
        return Token(self.token_for(ref, audience), expires_at=time.time() + 3600)

    def api_server(self) -> ApiServer:
        return self.server


def context(
    *,
    cluster: SeededCluster | None = None,
    timeout: float = 10.0,
    concurrency: int = 8,
    budget: CountingCalls | None = None,
    data_dir: Path = Path("/nonexistent"),
    ambient: bool = False,
    store: StoreKey | None = None,
    endpoint_allowed: Callable[[str], bool] = lambda _: True,
    proxy: StoreProxy | None = None,
    scope: Scope | None = None,
) -> Context:
    """A namespaced store's context unless told otherwise."""
    return Context(
        store=store or StoreKey("payments", "store"),
        cluster=cluster or SeededCluster(),
        call=budget or CountingCalls(timeout),
        timeout=timeout,
        concurrency=concurrency,
        data_dir=data_dir,
        ambient=ambient,
        endpoint_allowed=endpoint_allowed,
        proxy=proxy,
        scope=scope or Scope(),
    )


def counts(of: Context) -> Counter[str]:
    """How often which operation was called."""
    assert isinstance(of.call, CountingCalls)
    return of.call.counts
