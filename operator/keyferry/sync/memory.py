"""What is remembered of an ExternalSecret from one look to the next; all of it can be found out again."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from keyferry.api.external_secret import ExternalSecretSpec
from keyferry.kube.client import Json
from keyferry.kube.watched import Watched
from keyferry.schedule.overdue import Look
from keyferry.sync.situation import Situation, parsed, situation, usable_store
from keyferry.sync.store import Store
from keyferry.values import Key, StoreKey


@dataclass(slots=True)
class Memory:
    """One ExternalSecret's. Times are the loop's, in seconds."""

    failures: int = 0  # in a row
    beat: float = -math.inf  # the beat that it waits for
    looked_at: float = -math.inf  # when it last asked its store for all that it needs
    heeded_at: float = -math.inf  # when it last looked at what hints are about
    look: Look | None = None  # what it is overdue by; None where nothing is due
    synced: tuple[ExternalSecretSpec, Store] | None = field(default=None, repr=False)  # as which it is counted
    _parsed: tuple[Json, ExternalSecretSpec] | None = field(default=None, repr=False)
    _situation: Situation | None = field(default=None, repr=False)

    def spec(self, body: Json) -> ExternalSecretSpec:
        """The spec, parsed once. Raises SpecInvalid that names the fields."""
        if self._parsed is None or self._parsed[0] is not body:
            self._parsed = (body, parsed(body))
        return self._parsed[1]

    def situation(self, key: Key, body: Json, watched: Watched, stores: Mapping[StoreKey, Store]) -> Situation | None:
        """What is now, parsed anew only where it is not what it was; None while its store is being got ready.

        Raises SyncError where the spec or the store cannot be used.
        """
        spec = self.spec(body)
        store = usable_store(key, spec, watched, stores)
        if store is None:
            self._situation = None
            return None
        was, namespace = self._situation, watched.namespaces[key.namespace]
        if was and was.body is body and was.store is store and was.namespace is namespace:
            target = watched.secrets.get(was.target_key)
            self._situation = was if was.target is target else replace(was, target=target)
        else:
            self._situation = situation(key, body, spec, store, watched)
        return self._situation
