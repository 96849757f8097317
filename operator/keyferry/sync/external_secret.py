"""The reconciliation of an ExternalSecret: read what is, decide, and only then write."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from keyferry import metrics
from keyferry.api.external_secret import ExternalSecretSpec, RefreshPolicy
from keyferry.errors import Retry, SecretMissing, SyncError
from keyferry.kube.client import Json, Kube
from keyferry.kube.watched import Watched
from keyferry.plan.sources import sources
from keyferry.render.secret import rendered
from keyferry.schedule import backoff
from keyferry.sync.boundary import guarded
from keyferry.sync.decide import decide
from keyferry.sync.outcome import Outcome
from keyferry.sync.report import report
from keyferry.sync.situation import Situation, parsed, situation, store_key, usable_store
from keyferry.sync.store import Store
from keyferry.sync.target import Targets
from keyferry.values import Fetched, Found, Key, Looked, StoreKey, Value

_SLACK_SECONDS = 5.0  # a new or changed ExternalSecret may use a look at the catalogue that is so old
_BACKOFF_SECONDS = 1.0
_BACKOFF_CAP_SECONDS = 60.0
_STALLED_SECONDS = 300.0  # an edit heals it, and wakes it; this is for what no watch tells
_WAIT_SECONDS = 5.0  # for a store that is being got ready; it wakes its ExternalSecrets


@dataclass(slots=True)
class ExternalSecrets:
    """Every ExternalSecret's reconciliation. One event loop owns it."""

    kube: Kube
    watched: Watched
    stores: Mapping[StoreKey, Store]
    targets: Targets
    _failures: dict[Key, int] = field(default_factory=dict)
    _beats: dict[Key, float] = field(default_factory=dict)  # the beat that each waits for
    _looked_at: dict[Key, float] = field(default_factory=dict)  # when each last asked its store

    async def work(self, key: Key, due: float) -> float | None:
        """Bring an ExternalSecret up to date; returns the loop's time when it is due again, None for "when nudged"."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        body = self.watched.external_secrets.get(key)
        if body is None:
            for memory in (self._failures, self._beats, self._looked_at):
                memory.pop(key, None)
            return None
        metrics.LAG_SECONDS.labels("ExternalSecret").observe(max(0.0, started - due))
        error = await guarded(self._reconcile(key, body, due), key)
        metrics.SYNC_SECONDS.labels("ExternalSecret").observe(loop.time() - started)
        if isinstance(error, _Waiting):
            return loop.time() + _WAIT_SECONDS
        metrics.SYNCS.labels("ExternalSecret", error.reason if error else "Synced").inc()
        return self._following(key, body, error)

    async def _reconcile(self, key: Key, body: Json, due: float) -> SyncError | None:
        """The three steps; returns what is wrong, which then stands in the status."""
        decided = await guarded(self._decided(key, body, due), key)
        if isinstance(decided, _Waiting):
            return decided
        now, outcome = (None, Outcome(error=decided)) if isinstance(decided, SyncError) else decided
        if now is not None:
            outcome = await self.targets.carry_out(now, outcome)
        await report(self.kube, self.watched, key, body, now, outcome)
        return outcome.error

    async def _decided(self, key: Key, body: Json, due: float) -> tuple[Situation, Outcome]:
        """Read what is and decide. Raises SyncError where that is not possible."""
        spec = parsed(body)
        store = usable_store(key, spec, self.watched, self.stores)
        if store is None:
            raise _Waiting("the store is being got ready")
        now = situation(key, body, spec, store, self.watched)
        if spec.suspend or store.suspended or now.settled:
            return now, Outcome(suspended=spec.suspend or store.suspended)
        if store.health:
            return now, Outcome(error=store.health.worded(f"{store.key}: {store.health}"))
        return now, await self._asked(now, due)

    async def _asked(self, now: Situation, due: float) -> Outcome:
        """Versions first; values only where something differs from what the Secret was made of."""
        forced = now.refresh != now.status.refresh or now.store.forced_at > self._looked_at.get(now.key, float("-inf"))
        moment = asyncio.get_running_loop().time()
        beat = self._beats.get(now.key) == due
        slack = 0.0 if beat or forced else _SLACK_SECONDS
        looked = await now.fetcher.look(now.spec.requests, now.hierarchy, at=moment if forced else due, slack=slack)
        self._looked_at[now.key] = moment
        if not forced and now.as_asked and now.undisturbed and _comparable(looked) and now.made_of(sources(looked)):
            return Outcome(error=_lacking(now.spec, looked))
        found = [each for answer in looked.values() if not isinstance(answer, SyncError) for each in answer]
        fetched = await now.fetcher.values(found, fresh=forced)
        made = rendered(now.spec, looked, fetched)
        return decide(now.spec, made, sources(_as_read(looked, fetched)), confirmed=now.missed)

    def _following(self, key: Key, body: Json, error: SyncError | None) -> float | None:
        """When to look again."""
        now = asyncio.get_running_loop().time()
        self._beats.pop(key, None)
        try:
            spec = parsed(body)
        except SyncError:
            return None  # only an edit heals it, and wakes it
        interval = spec.refresh_interval.total_seconds() if spec.refresh_policy is RefreshPolicy.PERIODIC else 0.0
        if error is None:
            self._failures.pop(key, None)
            if not interval or spec.suspend:
                return None
            self._beats[key] = backoff.next_beat(now, interval, str(store_key(key, spec)))
            return self._beats[key]
        if error.retry is Retry.ON_CHANGE:
            return now + _STALLED_SECONDS
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        cap = max(_BACKOFF_CAP_SECONDS, interval)
        return now + backoff.after(failures, base=_BACKOFF_SECONDS, cap=cap, chance=random.random)


class _Waiting(SyncError):
    """The store is being got ready: nothing to say yet."""


def _comparable(looked: Looked) -> bool:
    """Whether the answers tell what is there: what is missing is told, what could not be found out is not."""
    return not any(
        isinstance(answer, SyncError) and not isinstance(answer, SecretMissing) for answer in looked.values()
    )


def _lacking(spec: ExternalSecretSpec, looked: Looked) -> SyncError | None:
    """What is missing and must not be; it was so already when the Secret was made."""
    spared = {item.remote_ref.request for item in spec.data if item.optional or item.default is not None}
    needed = {item.remote_ref.request for item in spec.data if not item.optional and item.default is None}
    answers = (answer for asked, answer in looked.items() if asked in needed or asked not in spared)
    return next((answer for answer in answers if isinstance(answer, SyncError)), None)


def _as_read(looked: Looked, fetched: Mapping[Found, Fetched]) -> Looked:
    """The same with the versions that the values were read at: they may be newer than the look."""

    def read(found: Found) -> Found:
        value = fetched.get(found)
        return replace(found, version=value.version) if isinstance(value, Value) else found

    return {
        asked: answer if isinstance(answer, SyncError) else tuple(read(found) for found in answer)
        for asked, answer in looked.items()
    }
