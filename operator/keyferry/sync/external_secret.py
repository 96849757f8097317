"""The reconciliation of an ExternalSecret: read what is, decide, and only then write."""

import asyncio
import logging
import math
import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from keyferry import metrics, tracing
from keyferry.api.conditions import ready
from keyferry.api.external_secret import DeletionPolicy, ExternalSecretSpec
from keyferry.errors import BackendUnavailable, Retry, SecretMissing, StoreNotReady, SyncError
from keyferry.kube.client import Json, Kube
from keyferry.kube.watched import Watched
from keyferry.plan.sources import sources
from keyferry.render.secret import rendered
from keyferry.schedule import backoff
from keyferry.schedule.finishing import Finishing
from keyferry.sync.boundary import guarded
from keyferry.sync.decide import decide
from keyferry.sync.doubt import Doubt
from keyferry.sync.memory import Memory
from keyferry.sync.outcome import NOTHING_NEW, Deed, Outcome
from keyferry.sync.report import report
from keyferry.sync.situation import SYNCED, Situation, rhythm, store_key
from keyferry.sync.standing import Standings
from keyferry.sync.store import Store
from keyferry.sync.target import Targets
from keyferry.values import Fetched, Found, Key, Looked, StoreKey, Value

_LOG = logging.getLogger(__name__)
_HINT_SECONDS = 60.0  # a look that hints led to serves whom it woke for so long
_SLACK_SECONDS = 5.0  # a new or changed ExternalSecret may use a look at the catalogue that is so old
_BACKOFF_SECONDS = 1.0
_BACKOFF_CAP_SECONDS = 120.0
_STALLED_SECONDS = 300.0  # an edit heals it, and wakes it; this is for what no watch tells
_WAIT_SECONDS = 5.0  # for a store that is being got ready; it wakes its ExternalSecrets
_UNSAID_SECONDS = 60.0  # between two lines about statuses that cannot be written, for the same reason
_LAG_SECONDS = metrics.LAG_SECONDS.labels("ExternalSecret")
_SYNC_SECONDS = metrics.SYNC_SECONDS.labels("ExternalSecret")


@dataclass(slots=True)
class ExternalSecrets:
    """Every ExternalSecret's reconciliation. One event loop owns it."""

    kube: Kube
    watched: Watched
    stores: Mapping[StoreKey, Store]
    targets: Targets
    finish: Finishing = field(default_factory=Finishing)
    doubt: Doubt = field(default_factory=Doubt)
    _unsaid_until: dict[str, float] = field(default_factory=dict)
    standings: Standings = field(default_factory=Standings)
    _memories: defaultdict[Key, Memory] = field(default_factory=lambda: defaultdict(Memory))

    async def work(self, key: Key, due: float) -> float | None:
        """Bring an ExternalSecret up to date; returns the loop's time when it is due again, None for "when nudged"."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        body = self.watched.external_secrets.get(key)
        if body is None:
            self.forget(key)
            return None
        _LAG_SECONDS.observe(max(0.0, started - due))
        with tracing.span("ExternalSecret", namespace=key.namespace, object=key.name) as span:
            error = await guarded(self._reconcile(key, body, due), key)
            if error and not isinstance(error, StoreNotReady):  # to wait for a store is no failure
                span.failed(error.reason)
        _SYNC_SECONDS.observe(loop.time() - started)
        if isinstance(error, StoreNotReady):
            if self.standings.unknown(key):
                self.standings.stands(key, self._memories[key], started, error)
            return loop.time() + _WAIT_SECONDS
        metrics.SYNCS.labels("ExternalSecret", error.reason if error else SYNCED).inc()
        return self._following(key, body, error, started)

    def forget(self, key: Key) -> None:
        """The ExternalSecret is no more, or another's to work on."""
        self._memories.pop(key, None)
        self.targets.forget(key)
        self.doubt.forget(key)
        self.standings.forget(key)

    async def _reconcile(self, key: Key, body: Json, due: float) -> SyncError | None:
        """The three steps; returns what is wrong, which then stands in the status."""
        decided = await guarded(self._decided(key, body, due), key)
        if isinstance(decided, StoreNotReady):
            return decided
        now, outcome = (None, Outcome(error=decided)) if isinstance(decided, SyncError) else decided
        if outcome is NOTHING_NEW and now and now.rests:
            return None
        if now is None or outcome.deed is Deed.KEEP:
            await self._say(key, body, now, outcome)
            return outcome.error
        return await self.finish(self._carried_out(now, outcome))

    async def _carried_out(self, now: Situation, outcome: Outcome) -> SyncError | None:
        """Write, and say so: the one without the other would have it all done again."""
        outcome = await self.targets.carry_out(now, outcome)
        await self._say(now.key, now.body, now, outcome)
        return outcome.error

    async def _say(self, key: Key, body: Json, now: Situation | None, outcome: Outcome) -> None:
        """Write the status. What keeps it from being written stands in none, so the log has to say it: now and then."""
        try:
            await report(self.kube, self.watched, key, body, now, outcome)
        except SyncError as unsaid:
            moment = asyncio.get_running_loop().time()
            if moment >= self._unsaid_until.get(unsaid.reason, moment):
                self._unsaid_until[unsaid.reason] = moment + _UNSAID_SECONDS
                _LOG.warning("ExternalSecret %s: its status cannot be written: %s", key, unsaid)
            raise

    async def _decided(self, key: Key, body: Json, due: float) -> tuple[Situation, Outcome]:
        """Read what is and decide. Raises SyncError where that is not possible."""
        memory = self._memories[key]
        now = memory.situation(key, body, self.watched, self.stores)
        if now is None:
            raise StoreNotReady(f"{store_key(key, memory.spec(body))} is being got ready")
        if now.spec.suspend or now.store.suspended:
            return now, Outcome(suspended=True)
        if now.settled and not now.forced(memory.looked_at):
            return now, NOTHING_NEW
        if now.store.health:
            return now, Outcome(error=now.store.trouble(now.store.health))
        return now, await self._asked(now, memory, due)

    async def _asked(self, now: Situation, memory: Memory, due: float) -> Outcome:
        """Versions first; values only where something differs from what the Secret was made of."""
        moment = asyncio.get_running_loop().time()
        forced, hinted = now.forced(memory.looked_at), now.store.hinted_at > memory.heeded_at
        if not forced and not hinted and memory.beat > due and now.rests and now.undisturbed:
            return NOTHING_NEW  # it was merely woken, by its own writes perhaps, and its beat comes

        def unchanged(looked: Looked) -> bool:
            made = now.as_asked and now.undisturbed and now.made_of(sources(looked))
            return made and not forced and _told(looked)

        now.fetcher.guard.remember([source.id for source in now.status.sources if source.version])
        at, slack = (moment, 0.0) if forced else _age(now, memory, due, hinted=hinted)
        looked = await now.fetcher.look(now.spec.requests, now.hierarchy, at=at, slack=slack, expected=unchanged)
        memory.heeded_at = moment
        if unchanged(looked) and (same := _as_told(now)):
            self.doubt.seen(now, looked)
            return same
        if failure := _failure(now.spec, looked):
            of_store = isinstance(failure, BackendUnavailable)  # in the words that the store's own check will find
            return Outcome(error=now.store.trouble(failure) if of_store else failure)
        found = [each for answer in looked.values() if not isinstance(answer, SyncError) for each in answer]
        fetched = await now.fetcher.values(found, fresh=forced)
        made = rendered(now.spec, looked, fetched)
        decided = decide(now.spec, made, sources(_as_read(looked, fetched)))
        outcome = self.doubt.checked(now, looked, decided, moment, confirmed=forced)
        if outcome is None:
            memory.beat = -math.inf  # that look is due, whenever the beat is
            raise StoreNotReady("something is not there any more: looking once more before it is believed")
        if outcome.error is None:
            memory.looked_at = moment
        return outcome

    def _following(self, key: Key, body: Json, error: SyncError | None, started: float) -> float | None:
        """When to look again, after a look that began then."""
        now, memory = asyncio.get_running_loop().time(), self._memories[key]
        memory.beat = -math.inf
        try:
            spec = memory.spec(body)
        except SyncError:
            self.standings.stands(key, memory, started, error)
            return None  # only an edit heals it, and wakes it
        store = self.stores.get(store_key(key, spec))
        self.standings.stands(key, memory, started, error, spec, store)
        if store and not isinstance(error, BackendUnavailable):
            store.refreshed(key, started)
        interval = rhythm(spec)
        beat = backoff.next_beat(now, interval, str(store_key(key, spec))) if interval else math.inf
        if error is None:
            memory.failures = 0
            again = math.inf if spec.suspend else beat
        elif error.retry is Retry.ON_CHANGE:
            again = now + _STALLED_SECONDS
        else:
            memory.failures += 1
            wait = backoff.after(memory.failures, base=_BACKOFF_SECONDS, cap=_BACKOFF_CAP_SECONDS, chance=random.random)
            again = min(now + wait, beat)  # at the beat the others look, too: that costs nothing more
        if again == beat:
            memory.beat = beat
        return None if again == math.inf else again


def _age(now: Situation, memory: Memory, due: float, *, hinted: bool) -> tuple[float, float]:
    """The time that a look must not be older than, and by how much it may. Where nothing looks again, by none."""
    if memory.beat == due:
        return due, 0.0
    if hinted and now.as_asked and due - now.store.hinted_at < _HINT_SECONDS:
        return now.store.hinted_at, 0.0  # what woke it is in just that look
    return due, min(_SLACK_SECONDS, rhythm(now.spec))


def _as_told(now: Situation) -> Outcome | None:
    """What there is to say where nothing is new; None where that was lost to another trouble meanwhile."""
    if not now.status.partial:
        return NOTHING_NEW
    told = ready(now.status.conditions)
    if told is None or told.reason != SecretMissing.reason:
        return None
    return Outcome(error=SecretMissing(told.message))


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
