"""How ExternalSecrets stand, for the metrics: counted where it changes, so that a scrape looks at none of them."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from keyferry import metrics
from keyferry.api.external_secret import DeletionPolicy, ExternalSecretSpec
from keyferry.errors import (
    AuthFailed,
    BackendUnavailable,
    CatalogueTooLarge,
    CredentialsMissing,
    DeletionHeld,
    InternalError,
    KubeUnavailable,
    NamespaceDenied,
    PermissionDenied,
    SpecInvalid,
    StoreNotFound,
    SyncError,
)
from keyferry.kube.errors import KubeError
from keyferry.schedule.overdue import Looks
from keyferry.sync.memory import Memory
from keyferry.sync.situation import SYNCED, rhythm
from keyferry.sync.store import Store
from keyferry.values import Key, StoreKey

L = TypeVar("L", bound=Hashable)

FORGIVEN_SECONDS = 60.0  # past its interval: one look at a large catalogue may take that long

# What keeps the backend from being asked, or its answer from arriving. All else is a failure of the ExternalSecret's
# own, and no delay: one slip of the pen would be overdue for ever.
_KEPT_FROM = (
    BackendUnavailable,
    AuthFailed,
    CredentialsMissing,
    PermissionDenied,
    CatalogueTooLarge,
    DeletionHeld,
    KubeUnavailable,
    KubeError,
    InternalError,
)
_UNSERVED = (SpecInvalid, StoreNotFound, NamespaceDenied)
_CLASSES = ((60.0, "1m"), (600.0, "10m"), (3600.0, "1h"), (86400.0, "1d"))  # up to so many seconds


@dataclass(frozen=True, slots=True)
class Standing:
    """What is said of an ExternalSecret.

    `store` is None where none serves it: whoever names stores that are not there makes no new series.
    """

    store: StoreKey | None
    reason: str
    interval: float = 0.0  # seconds; 0 where it is not refreshed, or not now
    policy: DeletionPolicy = DeletionPolicy.RETAIN
    delayed: bool = False  # whether what fails keeps an answer from it

    @property
    def labels(self) -> tuple[str, str, str]:
        """Its store, the class of its interval and its policy, as metrics call them."""
        class_ = next((name for seconds, name in _CLASSES if self.interval <= seconds), "longer")
        return _name(self.store), class_ if self.interval else "never", self.policy.value


@dataclass(slots=True)
class Standings:
    """Those of one shard. One event loop owns them; times are the loop's."""

    _standing: dict[Key, Standing] = field(default_factory=dict)
    _reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    _declared: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _looks: Looks[StoreKey, Key] = field(default_factory=Looks)

    def stands(
        self,
        key: Key,
        memory: Memory,
        started: float,
        error: SyncError | None,
        spec: ExternalSecretSpec | None = None,
        store: Store | None = None,
    ) -> None:
        """How an ExternalSecret stands after a reconciliation, which began then. As it did before: that is quick.

        Without `spec` it makes no sense; without `store` there is none.
        """
        looked = error is None and memory.heeded_at >= started
        if error or memory.synced is None or memory.synced[0] is not spec or memory.synced[1] is not store:
            self.put(key, memory, _standing(spec, store, error), started)
            memory.synced = (spec, store) if spec and store and error is None else None
        if looked and memory.look:
            memory.look.at = started

    def put(self, key: Key, memory: Memory, new: Standing, now: float) -> None:
        """Count it as this from now on."""
        old = self._standing.get(key)
        if old != new:
            self._uncount(old)
            self._standing[key] = new
            self._reasons[_name(new.store), new.reason] += 1
            self._declared[new.labels] += 1
        if new.store and new.interval and (new.delayed or new.reason == SYNCED):
            memory.look = self._looks.keep(key, new.store, new.interval, now)
        else:
            memory.look = None
            self._looks.forget(key)

    def unknown(self, key: Key) -> bool:
        """Whether nothing was said of it yet."""
        return key not in self._standing

    def forget(self, key: Key) -> None:
        """The ExternalSecret is no more, or another's to work on."""
        self._uncount(self._standing.pop(key, None))
        self._looks.forget(key)

    def measure(self, now: float) -> None:
        """Add it to the metrics, which hold nothing of it yet."""
        for of_reason, count in self._reasons.items():
            metrics.EXTERNAL_SECRETS.labels(*of_reason).inc(count)
        for of_policy, count in self._declared.items():
            metrics.DECLARED.labels(*of_policy).inc(count)
        oldest: defaultdict[str, float] = defaultdict(float)
        most: defaultdict[str, float] = defaultdict(float)
        for store, looks in self._looks.late(now, FORGIVEN_SECONDS):
            name = str(store)
            oldest[name], most[name] = max(oldest[name], looks.oldest), max(most[name], looks.most)
            metrics.OVERDUE.labels(name).inc(looks.late)
        for name in oldest:
            metrics.OLDEST_LOOK_SECONDS.labels(name).set(oldest[name])
            metrics.MOST_OVERDUE_SECONDS.labels(name).set(most[name])

    def _uncount(self, old: Standing | None) -> None:
        if old:
            _less(self._reasons, (_name(old.store), old.reason))
            _less(self._declared, old.labels)


def _standing(spec: ExternalSecretSpec | None, store: Store | None, error: SyncError | None) -> Standing:
    reason = error.reason if error else SYNCED
    policy = spec.target.deletion_policy if spec else DeletionPolicy.RETAIN
    if spec is None or store is None or isinstance(error, _UNSERVED):
        return Standing(None, reason, policy=policy)
    if spec.suspend or store.suspended:
        return Standing(store.key, "Suspended", policy=policy)
    delayed = error is not None and (store.health is not None or isinstance(error, _KEPT_FROM))
    return Standing(store.key, reason, rhythm(spec), policy, delayed)


def measure(all_of_them: Iterable[Standings], now: float) -> None:
    """Set the metrics anew."""
    for metric in (
        metrics.EXTERNAL_SECRETS,
        metrics.DECLARED,
        metrics.OVERDUE,
        metrics.OLDEST_LOOK_SECONDS,
        metrics.MOST_OVERDUE_SECONDS,
    ):
        metric.clear()
    for each in all_of_them:
        each.measure(now)


def _name(store: StoreKey | None) -> str:
    return str(store) if store else ""


def _less(counter: Counter[L], key: L) -> None:
    """One less, and no trace of what there is none of."""
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
