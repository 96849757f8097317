"""The reconciliation of an ExternalSecret: read what is, decide, and only then write."""

import asyncio
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from keyferry import metrics
from keyferry.api.external_secret import DeletionPolicy, ExternalSecretSpec, RefreshPolicy
from keyferry.errors import BackendUnavailable, Retry, SecretMissing, StoreNotReady, SyncError
from keyferry.kube.client import Json, Kube
from keyferry.kube.watched import Watched
from keyferry.plan.sources import sources
from keyferry.render.secret import rendered
from keyferry.schedule import backoff
from keyferry.sync.boundary import guarded
from keyferry.sync.decide import decide
from keyferry.sync.doubt import Doubt
from keyferry.sync.outcome import Outcome
from keyferry.sync.report import report
from keyferry.sync.situation import Situation, parsed, situation, store_key, usable_store
from keyferry.sync.store import Store
from keyferry.sync.target import Targets
from keyferry.values import Fetched, Found, Key, Looked, StoreKey, Value

_SLACK_SECONDS = 5.0  # a new or changed ExternalSecret may use a look at the catalogue that is so old
_BACKOFF_SECONDS = 1.0
_BACKOFF_CAP_SECONDS = 120.0
_STALLED_SECONDS = 300.0  # an edit heals it, and wakes it; this is for what no watch tells
_WAIT_SECONDS = 5.0  # for a store that is being got ready; it wakes its ExternalSecrets


@dataclass(slots=True)
class ExternalSecrets:
    """Every ExternalSecret's reconciliation. One event loop owns it."""

    kube: Kube
    watched: Watched
    stores: Mapping[StoreKey, Store]
    targets: Targets
    doubt: Doubt = field(default_factory=Doubt)
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
            self.targets.forget(key)
            self.doubt.forget(key)
            return None
        metrics.LAG_SECONDS.labels("ExternalSecret").observe(max(0.0, started - due))
        error = await guarded(self._reconcile(key, body, due), key)
        metrics.SYNC_SECONDS.labels("ExternalSecret").observe(loop.time() - started)
        if isinstance(error, StoreNotReady):
            return loop.time() + _WAIT_SECONDS
        metrics.SYNCS.labels("ExternalSecret", error.reason if error else "Synced").inc()
        return self._following(key, body, error)

    async def _reconcile(self, key: Key, body: Json, due: float) -> SyncError | None:
        """The three steps; returns what is wrong, which then stands in the status."""
        decided = await guarded(self._decided(key, body, due), key)
        if isinstance(decided, StoreNotReady):
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
            raise StoreNotReady(f"{store_key(key, spec)} is being got ready")
        now = situation(key, body, spec, store, self.watched)
        if spec.suspend or store.suspended:
            return now, Outcome(suspended=True)
        if now.settled and not now.forced(self._looked_at.get(key, -math.inf)):
            return now, Outcome()
        if store.health:
            return now, Outcome(error=store.trouble(store.health))
        return now, await self._asked(now, due)

    async def _asked(self, now: Situation, due: float) -> Outcome:
        """Versions first; values only where something differs from what the Secret was made of."""
        moment = asyncio.get_running_loop().time()
        forced = now.forced(self._looked_at.get(now.key, -math.inf))
        if not forced and self._nothing_new(now, due):
            return Outcome()

        def unchanged(looked: Looked) -> bool:
            made = now.as_asked and now.undisturbed and now.made_of(sources(looked))
            return made and not forced and _told(looked)

        now.fetcher.guard.remember([source.id for source in now.status.sources if source.version])
        looked = await now.fetcher.look(
            now.spec.requests,
            now.hierarchy,
            at=moment if forced else due,
            slack=0.0 if forced else self._slack(now, due),
            expected=unchanged,
        )
        if unchanged(looked):
            self.doubt.seen(now, looked)
            return Outcome()
        if failure := _failure(now.spec, looked):
            of_store = isinstance(failure, BackendUnavailable)  # in the words that the store's own check will find
            return Outcome(error=now.store.trouble(failure) if of_store else failure)
        found = [each for answer in looked.values() if not isinstance(answer, SyncError) for each in answer]
        fetched = await now.fetcher.values(found, fresh=forced)
        made = rendered(now.spec, looked, fetched)
        decided = decide(now.spec, made, sources(_as_read(looked, fetched)))
        outcome = self.doubt.checked(now, looked, decided, moment)
        if outcome is None:
            raise StoreNotReady("something is not there any more: looking once more before it is believed")
        if outcome.error is None:
            self._looked_at[now.key] = moment
        return outcome

    def _nothing_new(self, now: Situation, due: float) -> bool:
        """Whether it was merely woken, by its own writes perhaps, while all is as it was left and its beat comes."""
        waiting = self._beats.get(now.key, -math.inf) > due
        return waiting and now.synced and now.as_asked and now.undisturbed

    def _slack(self, now: Situation, due: float) -> float:
        """How old a look at the catalogue may be. Where nothing ever looks again, it must be new."""
        return 0.0 if self._beats.get(now.key) == due else min(_SLACK_SECONDS, _rhythm(now.spec))

    def _following(self, key: Key, body: Json, error: SyncError | None) -> float | None:
        """When to look again."""
        now = asyncio.get_running_loop().time()
        self._beats.pop(key, None)
        try:
            spec = parsed(body)
        except SyncError:
            return None  # only an edit heals it, and wakes it
        interval = _rhythm(spec)
        beat = backoff.next_beat(now, interval, str(store_key(key, spec))) if interval else math.inf
        if error is None:
            self._failures.pop(key, None)
            again = math.inf if spec.suspend else beat
        elif error.retry is Retry.ON_CHANGE:
            again = now + _STALLED_SECONDS
        else:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            wait = backoff.after(failures, base=_BACKOFF_SECONDS, cap=_BACKOFF_CAP_SECONDS, chance=random.random)
            again = min(now + wait, beat)  # at the beat the others look, too: that costs nothing more
        if again == beat:
            self._beats[key] = beat
        return None if again == math.inf else again


def _rhythm(spec: ExternalSecretSpec) -> float:
    """Seconds between refreshes; 0 for never."""
    return spec.refresh_interval.total_seconds() if spec.refresh_policy is RefreshPolicy.PERIODIC else 0.0


def _told(looked: Looked) -> bool:
    """Whether the answers tell what is there: what is missing is told, what could not be found out is not."""
    return not any(
        isinstance(answer, SyncError) and not isinstance(answer, SecretMissing) for answer in looked.values()
    )


def _failure(spec: ExternalSecretSpec, looked: Looked) -> SyncError | None:
    """What makes reading values pointless: all or nothing. What is missing may have consequences, so it is read on."""
    if waiting := next((answer for answer in looked.values() if isinstance(answer, StoreNotReady)), None):
        raise waiting
    errors = [answer for answer in looked.values() if isinstance(answer, SyncError)]
    failed = next((error for error in errors if not isinstance(error, SecretMissing)), None)
    if failed or spec.target.deletion_policy is not DeletionPolicy.RETAIN:
        return failed
    spared = {item.remote_ref.request for item in spec.data if item.optional or item.default is not None}
    needed = {item.remote_ref.request for item in spec.data if not item.optional and item.default is None}
    return next(
        (
            answer
            for asked, answer in looked.items()
            if isinstance(answer, SyncError) and (asked in needed or asked not in spared)
        ),
        None,
    )


def _as_read(looked: Looked, fetched: Mapping[Found, Fetched]) -> Looked:
    """The same with the versions that the values were read at: they may be newer than the look."""

    def read(found: Found) -> Found:
        value = fetched.get(found)
        return replace(found, version=value.version) if isinstance(value, Value) else found

    return {
        asked: answer if isinstance(answer, SyncError) else tuple(read(found) for found in answer)
        for asked, answer in looked.items()
    }
