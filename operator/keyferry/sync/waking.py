"""Who is woken by what: the cluster as it is seen, and those whose work depends on it.

Nothing is decided here but whether a change is news. Every method is called from the one event loop that owns it.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from keyferry.errors import SyncError
from keyferry.kube.client import Json
from keyferry.kube.watched import Deletions, Watched, asked, newer, trimmed
from keyferry.policy.namespaces import hierarchy
from keyferry.schedule.calm import Calm
from keyferry.settings import NAMESPACE_ANNOTATION
from keyferry.sync.situation import parsed, store_key, target_key
from keyferry.values import Key, StoreKey


@dataclass(slots=True)
class Waking:
    """`nudge(key, at)` makes an ExternalSecret due, at a time of the loop or now; `nudge_store` a store."""

    watched: Watched
    nudge: Callable[[Key, float | None], None]
    nudge_store: Callable[[StoreKey], None]
    deletions: Deletions = field(default_factory=Deletions)
    _calm: Calm[Key] = field(default_factory=Calm)
    _patience: Calm[Key] = field(default_factory=Calm)  # with who forces refreshes again and again

    def external_secret(self, body: Json, *, deleted: bool) -> None:
        """An ExternalSecret appeared, changed or went. What only we changed (its status) wakes nobody."""
        metadata = body["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        if deleted or "deletionTimestamp" in metadata:
            self.deletions.tell(metadata["uid"])
            if _is(self.watched.external_secrets.get(key), metadata["uid"]):
                self.external_secret_gone(key)
            return
        known = self.watched.external_secrets.get(key)
        if known and not newer(body, known):
            return
        self.watched.external_secrets[key] = trimmed(body)
        if known and asked(known) == asked(body):
            return
        try:
            spec = parsed(body)
            stores, targets = [store_key(key, spec)], [target_key(key, spec)]
        except SyncError:  # its reconciliation says so
            stores, targets = [], []
        if self.watched.by_store.sources(key) - set(stores):
            self.nudge(key, None)  # whoever works on its former store has to forget it
        self._depends(key, stores, targets, [key.namespace])
        again = known is not None and _is(known, metadata["uid"]) and _same_spec(known, body)  # a refresh is forced
        self.nudge(key, self._patience.disturbed(key, asyncio.get_running_loop().time()) if again else None)

    def external_secret_gone(self, key: Key) -> None:
        """An ExternalSecret is no more; its reconciliation forgets it, too."""
        self.watched.external_secrets.pop(key, None)
        self.nudge(key, None)
        self._depends(key, [], [], [])
        self._calm.forget(key)
        self._patience.forget(key)

    def _depends(self, key: Key, stores: list[StoreKey], targets: list[Key], namespaces: list[str]) -> None:
        self.watched.by_store.put(key, stores)
        self.watched.by_target.put(key, targets)
        self.watched.by_namespace.put(key, namespaces)

    def store(self, body: Json, *, deleted: bool) -> None:
        """A SecretStore or ClusterSecretStore appeared, changed or went."""
        metadata = body["metadata"]
        key = StoreKey(metadata.get("namespace") or "", metadata["name"])
        known = self.watched.stores.get(key)
        if deleted:
            self.deletions.tell(metadata["uid"])
            if _is(known, metadata["uid"]):
                self.store_gone(key)
        elif known is None or newer(body, known):
            self.watched.stores[key] = trimmed(body)
            if not known or asked(known) != asked(body):
                self.nudge_store(key)

    def store_gone(self, key: StoreKey) -> None:
        """A store is no more."""
        self.watched.stores.pop(key, None)
        self.nudge_store(key)

    def namespace(self, body: Json, *, deleted: bool) -> None:
        """A namespace appeared, changed or went; its labels and annotation matter to its ExternalSecrets."""
        name: str = body["metadata"]["name"]
        known = self.watched.namespaces.get(name)
        if deleted:
            self.deletions.tell(body["metadata"]["uid"])
            if _is(known, body["metadata"]["uid"]):
                self.watched.namespaces.pop(name, None)
        elif known is None or newer(body, known):
            now = self.watched.namespaces[name] = trimmed(body)
            if known is None or _called(known) != _called(now):
                for key in self.watched.by_namespace.of(name):
                    self.nudge(key, None)

    def namespace_gone(self, name: str) -> None:
        """A namespace is no more."""
        self.watched.namespaces.pop(name, None)

    def secret(self, key: Key) -> None:
        """A Secret appeared, changed or went: a target may have drifted, a login may be another."""
        meta = self.watched.secrets.get(key)
        self.watched.by_owner.put(key, [Key(key.namespace, meta.owner)] if meta and meta.made else [])
        for dependent in self.watched.by_target.of(key):
            self.nudge(dependent, self._calm.disturbed(dependent, asyncio.get_running_loop().time()))
        for store in self.watched.by_credential.of(key):
            self.nudge_store(store)

    def everything_of(self, store: StoreKey) -> None:
        """A store has changed: wake all its ExternalSecrets."""
        for key in self.watched.by_store.of(store):
            self.nudge(key, None)

    def those_who_see(
        self, store: StoreKey, view: Callable[[tuple[str, ...]], Collection[str]], places: Collection[str]
    ) -> None:
        """Something is new in these places of a store: wake its ExternalSecrets whose namespaces see one of them."""
        sees: dict[str, bool] = {}
        for key in self.watched.by_store.of(store):
            if key.namespace not in sees:
                sees[key.namespace] = self._sees(key.namespace, view, places)
            if sees[key.namespace]:
                self.nudge(key, None)

    def _sees(
        self, namespace: str, view: Callable[[tuple[str, ...]], Collection[str]], places: Collection[str]
    ) -> bool:
        body = self.watched.namespaces.get(namespace)
        if body is None:
            return False  # the watch will tell of it, and that wakes them
        try:
            called = hierarchy(namespace, body["metadata"]["annotations"])
        except SyncError:
            return False  # their status says so
        return any(place in places for place in view(called))

    def news(self, resource: str, body: Json) -> bool:
        """Whether this is newer than what is known; metadata suffices. What goes, and is forgotten already, is none."""
        metadata = body["metadata"]
        namespace, name = metadata.get("namespace") or "", metadata["name"]
        known: Json | None
        match resource:
            case "externalsecrets":
                known = self.watched.external_secrets.get(Key(namespace, name))
            case "namespaces":
                known = self.watched.namespaces.get(name)
            case _:
                known = self.watched.stores.get(StoreKey(namespace, name))
        return newer(body, known) if known else "deletionTimestamp" not in metadata

    def only(self, resource: str, listed: Collection[tuple[str, str]], version: int) -> None:
        """Of this resource only these (namespace, name) exist: forget what is older than the list and not in it."""
        for key, body in list(self._known(resource)):
            older = int(body["metadata"]["resourceVersion"]) <= version
            if older and (body["metadata"].get("namespace") or "", body["metadata"]["name"]) not in listed:
                self._gone(key)

    def _known(self, resource: str) -> Collection[tuple[Key | StoreKey | str, Json]]:
        match resource:
            case "externalsecrets":
                return [*self.watched.external_secrets.items()]
            case "namespaces":
                return [*self.watched.namespaces.items()]
            case _:
                stores = self.watched.stores.items()
                return [(key, body) for key, body in stores if bool(key.namespace) is (resource == "secretstores")]

    def _gone(self, key: Key | StoreKey | str) -> None:
        match key:
            case Key():
                self.external_secret_gone(key)
            case StoreKey():
                self.store_gone(key)
            case str():
                self.namespace_gone(key)


def _is(known: Json | None, uid: str) -> bool:
    """Whether it is that very object that is known: the deletion of a namesake may be told late."""
    return known is not None and known["metadata"]["uid"] == uid


def _same_spec(known: Json, body: Json) -> bool:
    return bool(known["metadata"]["generation"] == body["metadata"]["generation"])


def _called(body: Json) -> tuple[Any, ...]:
    metadata = body["metadata"]
    return metadata.get("labels"), metadata["annotations"].get(NAMESPACE_ANNOTATION)
