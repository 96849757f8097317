"""A store as a command sees it: read with the caller's own rights, its backend made, a namespace's part of it known."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from keyferry.api.model import problems
from keyferry.api.providers import Provider
from keyferry.api.store import ClusterSecretStoreSpec, SecretStoreSpec
from keyferry.backends import registry
from keyferry.backends.base import Backend, Catalogue, Context
from keyferry.errors import BackendUnavailable, NamespaceDenied, SpecInvalid, StoreNotFound
from keyferry.fetch.budget import Budget
from keyferry.kube.client import Json, Kube, connect, path
from keyferry.kube.cluster import StoreCluster
from keyferry.kube.errors import Forbidden, NotFound
from keyferry.kube.official import ConfigException, list_kube_config_contexts
from keyferry.kube.status import API
from keyferry.policy.mapping import ByNames, ByPaths, ByTags, Place, checked_key, mapping_of
from keyferry.policy.namespaces import hierarchy, served
from keyferry.settings import Settings
from keyferry.values import Entry, Key, Scope, StoreKey


def context_namespace() -> str:
    """The namespace of the kubeconfig's current context, as kubectl takes it; empty where there is no kubeconfig."""
    file = Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
    if not file.is_file():
        return ""
    try:
        _, active = list_kube_config_contexts(config_file=str(file))
    except ConfigException:  # to connect will say what is wrong with it
        return ""
    return str(active["context"].get("namespace") or "default")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a command finds around it."""

    connect: Callable[[], Awaitable[Kube]] = connect
    namespace: Callable[[], str] = context_namespace
    create: Callable[[Provider, Context], Backend] = registry.create


@dataclass(frozen=True, slots=True)
class Where:
    """Which part of which store a command is about."""

    store: StoreKey
    namespace: str
    data_dir: Path
    allow_endpoints: tuple[str, ...] = ()  # that a SecretStore may name
    whole: bool = False  # the store as a whole, whatever namespace


@dataclass(frozen=True, slots=True)
class Opened:
    """A store that can be asked."""

    key: StoreKey
    spec: SecretStoreSpec
    mapping: ByNames | ByPaths | ByTags
    view: tuple[str, ...]  # the namespaces, as the backend calls them, that the caller's sees; the nearest first
    backend: Backend

    def place(self, key: str) -> Place:
        """Where a key of the caller's namespace belongs."""
        return Place(self.view[0], checked_key(key))

    async def entries(self, scope: Scope) -> list[Entry]:
        """What of the catalogue is in the scope, and perhaps more."""
        if not isinstance(self.backend, Catalogue):
            raise SpecInvalid(f"{self.key}: {self.spec.provider.name} cannot list its secrets")
        return [entry async for entry in self.backend.entries(scope)]


@asynccontextmanager
async def opened(kube: Kube, where: Where, surroundings: Surroundings) -> AsyncIterator[Opened]:
    """The store that is meant. Raises SyncError where it cannot be used, or not from this namespace."""
    spec = parsed(where.store, await applied(kube, where.store))
    mapping = mapping_of(spec, cluster=not where.store.namespace)
    view = () if where.whole else await _view(kube, where, spec, mapping)
    settings = Settings(data_dir=where.data_dir, allow_endpoints=where.allow_endpoints)
    async with aclosing(made(kube, where.store, spec, settings, surroundings)) as backend:
        yield Opened(where.store, spec, mapping, view, backend)


async def applied(kube: Kube, key: StoreKey) -> Json:
    """The store as it is in the cluster. Raises StoreNotFound."""
    resource = "secretstores" if key.namespace else "clustersecretstores"
    try:
        return await _read(kube, API, resource, Key(key.namespace, key.name))
    except NotFound:
        raise StoreNotFound(f"there is no {key}") from None


async def _read(kube: Kube, version: str, resource: str, key: Key) -> Json:
    """One object, by the right to get it or, in the operator's pod, by its right to list. Raises NotFound."""
    try:
        return await kube.get(path(version, resource, key.namespace, key.name))
    except Forbidden:
        return await kube.one(version, resource, key.namespace, key.name)


def parsed(key: StoreKey, body: Json) -> SecretStoreSpec:
    """What the store says. Raises SpecInvalid that names the fields."""
    model = SecretStoreSpec if key.namespace else ClusterSecretStoreSpec
    try:
        return model.model_validate(body.get("spec") or {})
    except ValidationError as wrong:
        raise SpecInvalid(f"{key}: {problems(wrong)}") from None


def made(kube: Kube, key: StoreKey, spec: SecretStoreSpec, settings: Settings, surroundings: Surroundings) -> Backend:
    """The store's backend, which logs in as the spec says. Raises SyncError where it cannot be used from here."""
    if spec.provider.sql and not settings.data_dir.is_dir():
        raise BackendUnavailable(
            f"{key}: there is no {settings.data_dir} here; SQLite files are with the operator: kubectl exec -i "
            "deploy/keyferry -- keyferry … does it there, and --data-dir names another folder"
        )
    return surroundings.create(spec.provider, _context(kube, key, spec, settings))


async def _view(
    kube: Kube, where: Where, spec: SecretStoreSpec, mapping: ByNames | ByPaths | ByTags
) -> tuple[str, ...]:
    alike = isinstance(mapping, ByNames)  # one part for all that it serves
    if alike and not (where.namespace and isinstance(spec, ClusterSecretStoreSpec)):
        return mapping.view(())
    if not where.namespace:
        raise SpecInvalid(f"{where.store} has a part for each namespace: say whose is meant (--namespace)")
    try:
        namespace = await _read(kube, "v1", "namespaces", Key("", where.namespace))
    except NotFound:
        raise SpecInvalid(f"there is no namespace {where.namespace}") from None
    metadata = namespace["metadata"]
    if isinstance(spec, ClusterSecretStoreSpec) and not served(
        spec.namespaces, where.namespace, metadata.get("labels") or {}
    ):
        raise NamespaceDenied(f"{where.store} does not serve namespace {where.namespace} (its spec.namespaces)")
    return mapping.view(() if alike else hierarchy(where.namespace, metadata.get("annotations") or {}))


def _context(kube: Kube, key: StoreKey, spec: SecretStoreSpec, settings: Settings) -> Context:
    """As the operator's defaults have it: a namespace's store gets from a command no more than from the operator."""
    limits = spec.refresh
    timeout = limits.timeout.total_seconds()
    return Context(
        store=key,
        cluster=StoreCluster(kube, key),
        call=Budget(str(key), limits.calls_per_second, limits.concurrency, timeout),
        timeout=timeout,
        concurrency=limits.concurrency,
        data_dir=settings.data_dir,
        ambient=not key.namespace,
        endpoint_allowed=settings.endpoint_allowed if key.namespace else lambda _: True,
        proxy=spec.proxy,
        scope=mapping_of(spec, cluster=not key.namespace).scope(),
    )
