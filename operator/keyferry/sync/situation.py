"""What a reconciliation of an ExternalSecret reads: the object, its store and its target, as they were last seen."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from keyferry.api.conditions import readable, ready
from keyferry.api.external_secret import (
    CreationPolicy,
    ExternalSecretSpec,
    ExternalSecretStatus,
    RefreshPolicy,
    Source,
    StoreKind,
)
from keyferry.api.model import problems
from keyferry.api.store import ClusterSecretStoreSpec
from keyferry.errors import NamespaceDenied, SpecInvalid, StoreNotFound
from keyferry.fetch.fetcher import Fetcher
from keyferry.kube.client import Json
from keyferry.kube.errors import Forbidden
from keyferry.kube.secrets import SecretMeta, manager_of
from keyferry.kube.watched import Watched
from keyferry.plan.sources import kept
from keyferry.policy.namespaces import hierarchy, served
from keyferry.settings import REFRESH_ANNOTATION
from keyferry.sync.store import Store
from keyferry.values import Key, StoreKey

SYNCED = "Synced"  # the reason of success


@dataclass(frozen=True, slots=True)
class Situation:
    """One ExternalSecret and what it depends on, parsed."""

    key: Key
    body: Json
    spec: ExternalSecretSpec
    status: ExternalSecretStatus
    store: Store
    fetcher: Fetcher
    namespace: Json
    hierarchy: tuple[str, ...]  # what the namespace is called in the backend, then its ancestors
    revision: str
    target: SecretMeta | None

    @property
    def generation(self) -> int:
        generation: int = self.body["metadata"]["generation"]
        return generation

    @property
    def refresh(self) -> str | None:
        """The refresh annotation's value."""
        wanted: str | None = self.body["metadata"]["annotations"].get(REFRESH_ANNOTATION)
        return wanted

    @property
    def target_key(self) -> Key:
        return target_key(self.key, self.spec)

    @property
    def manager(self) -> str:
        """The field manager of the target."""
        return manager_of(self.key.name)

    @property
    def rests(self) -> bool:
        """Whether its status already says that all is well with all that is asked for."""
        return self.synced and self.as_asked

    @property
    def synced(self) -> bool:
        """Whether the last word was that all is well."""
        condition = ready(self.status.conditions)
        return condition is not None and condition.reason == SYNCED

    def forced(self, looked_at: float) -> bool:
        """Whether somebody asked for a refresh since the store was last asked, at that time of the loop."""
        once = self.spec.refresh_policy is RefreshPolicy.CREATED_ONCE
        return not self._refreshed or (not once and self.store.forced_at > looked_at)

    @property
    def as_asked(self) -> bool:
        """Whether the Secret was made for this very spec, store, mapping and refresh annotation."""
        return self.same_spec and self.status.source_revision == self.revision and self._refreshed

    @property
    def same_spec(self) -> bool:
        """Whether the Secret was made for this very spec."""
        return self.status.synced_generation == self.generation

    @property
    def moved(self) -> bool:
        """Whether the store's address or mapping, or the namespace's name there, was another for the Secret."""
        return self.status.source_revision not in (None, self.revision)

    @property
    def _refreshed(self) -> bool:
        """Whether the refresh annotation was obeyed. To take it away asks for nothing."""
        return self.refresh in (None, self.status.refresh)

    @property
    def undisturbed(self) -> bool:
        """Whether the target is there as it was left."""
        if self.spec.target.creation_policy is CreationPolicy.NONE:
            return True
        left = self.status.target
        return (
            left is not None
            and self.target is not None
            and left.name == self.target_key.name
            and left.resource_version == self.target.resource_version
        )

    def made_of(self, sources: tuple[Source, ...]) -> bool:
        """Whether the Secret was made of just these."""
        listed, digest = kept(sources)
        return self.status.sources == listed and self.status.sources_digest == digest

    @property
    def settled(self) -> bool:
        """Whether there is nothing to ask the backend: all is well, and this is no ExternalSecret that is refreshed."""
        if self.spec.refresh_policy is RefreshPolicy.CREATED_ONCE:
            left = self.status.target
            return self.target is not None and left is not None and left.name == self.target_key.name
        once = self.spec.refresh_policy is RefreshPolicy.ON_CHANGE or not self.spec.refresh_interval
        return once and self.synced and self.as_asked and self.undisturbed


def target_key(key: Key, spec: ExternalSecretSpec) -> Key:
    """The Secret that an ExternalSecret writes."""
    return Key(key.namespace, spec.target.name or key.name)


def store_key(key: Key, spec: ExternalSecretSpec) -> StoreKey:
    """The store that an ExternalSecret names."""
    ref = spec.secret_store_ref
    return StoreKey("" if ref.kind is StoreKind.CLUSTER_SECRET_STORE else key.namespace, ref.name)


def rhythm(spec: ExternalSecretSpec) -> float:
    """Seconds between refreshes; 0 for never."""
    return spec.refresh_interval.total_seconds() if spec.refresh_policy is RefreshPolicy.PERIODIC else 0.0


def parsed(body: Json) -> ExternalSecretSpec:
    """The spec. Raises SpecInvalid that names the fields."""
    try:
        return ExternalSecretSpec.model_validate(body.get("spec") or {})
    except ValidationError as wrong:
        raise SpecInvalid(problems(wrong)) from None


def usable_store(
    key: Key, spec: ExternalSecretSpec, watched: Watched, stores: Mapping[StoreKey, Store]
) -> Store | None:
    """The store; None while it is being got ready. Raises SyncError where it cannot be used."""
    wanted = store_key(key, spec)
    store = stores.get(wanted)
    if wanted in watched.stores and key.namespace not in watched.namespaces:
        return None  # its labels and annotation decide; the watch will tell
    if store is None or (store.checked_at is None and store.health is None and not store.suspended):
        if wanted in watched.stores:
            return None
        if not wanted.namespace and not watched.reach.everywhere:
            raise StoreNotFound(f"{wanted} cannot be seen: Keyferry works in some namespaces only; use a SecretStore")
        raise StoreNotFound(f"there is no {wanted}: create it, or correct secretStoreRef")
    if isinstance(store.spec, ClusterSecretStoreSpec):
        namespace = watched.namespaces[key.namespace]
        if not served(store.spec.namespaces, key.namespace, namespace["metadata"].get("labels") or {}):
            raise NamespaceDenied(
                f"{wanted} does not serve namespace {key.namespace}: whoever runs it can add that to its namespaces"
            )
    if store.fetcher is None and store.health:
        raise store.trouble(store.health)
    return store


def situation(key: Key, body: Json, spec: ExternalSecretSpec, store: Store, watched: Watched) -> Situation:
    """Everything parsed.

    Raises SpecInvalid for a namespace annotation that makes no sense, Forbidden for a target out of reach.
    """
    if store.fetcher is None:
        raise SpecInvalid(f"{store.key} makes no sense; its status says why")
    if not watched.reach.touches(target := target_key(key, spec)):
        raise Forbidden(
            f"Secret {target} is none of those that Keyferry may touch in namespace {target.namespace}: whoever runs "
            "Keyferry can add it (secretNames in the chart)"
        )
    namespace = watched.namespaces[key.namespace]
    called = hierarchy(key.namespace, namespace["metadata"].get("annotations") or {})
    return Situation(
        key=key,
        body=body,
        spec=spec,
        status=readable(ExternalSecretStatus, body),
        store=store,
        fetcher=store.fetcher,
        namespace=namespace,
        hierarchy=called,
        revision=store.revision(called[0]),
        target=watched.secrets.get(target),
    )
