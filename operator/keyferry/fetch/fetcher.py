"""The counter of a store: which version is there, and what does it hold? All its ExternalSecrets ask here."""

import asyncio
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from keyferry import metrics, tracing
from keyferry.backends.base import Access, Backend, Catalogue, Minter
from keyferry.errors import (
    AuthFailed,
    BackendUnavailable,
    CatalogueTooLarge,
    CredentialsMissing,
    PermissionDenied,
    SecretMissing,
    StoreNotReady,
    SyncError,
    Throttled,
)
from keyferry.fetch.batch import Batcher
from keyferry.fetch.budget import Budget
from keyferry.fetch.cache import Cache
from keyferry.fetch.guard import Guard
from keyferry.fetch.sweep import Sweeper
from keyferry.plan.resolve import resolve, search
from keyferry.plan.snapshot import Snapshot
from keyferry.policy.mapping import Mapping as StoreMapping
from keyferry.policy.mapping import places
from keyferry.settings import LARGEST_CATALOGUE
from keyferry.values import Entry, Fetched, Found, Looked, Lookup, Ref, Search, Value

_TROUBLE = (BackendUnavailable, AuthFailed, CredentialsMissing)  # failures that befall more than one secret
_SEARCH_SECONDS = 600.0  # after a find, the catalogue is looked at for so long, whatever that costs
_TOO_LARGE_SECONDS = 600.0  # for so long a catalogue that was too large is not listed again
_LEARNING_PAGES = 4  # calls more than reading directly would cost that finding out the catalogue's size may cost


class _Unlisted(PermissionDenied):
    """The catalogue is left alone: it may not be listed, or that costs more calls than reading what is asked for."""


@dataclass(slots=True)
class Fetcher:
    """One store's catalogue, values and limits. One event loop owns it.

    `demand()` says how many ExternalSecrets the store has, `crowded()` whether more of them come when others are done;
    `trouble` is told of failures that may concern all of them, `swept` that there is news for the store's status.
    """

    store: str
    backend: Backend
    mapping: StoreMapping
    budget: Budget
    guard: Guard
    cache: Cache | None
    demand: Callable[[], int]
    crowded: Callable[[], bool]
    trouble: Callable[[SyncError], None]
    swept: Callable[[], None]
    largest: int = LARGEST_CATALOGUE  # entries of a catalogue that are held in memory
    access: Access = field(default_factory=Access)
    readable: bool | None = field(default=None, init=False)  # whether any value could be read; None: none was asked for
    _sweeper: Sweeper = field(init=False)
    _batcher: Batcher = field(init=False)
    _searched_at: float = field(default=-math.inf, init=False)  # when somebody last used find, which needs sweeps
    _unswept: bool = field(default=False, init=False)  # the catalogue could not be asked of late, or cost too much
    _too_large_at: float = field(default=-math.inf, init=False)  # when the catalogue had more than that
    _pages: int = field(default=0, init=False)  # calls that the last sweep took, or had taken when it was given up

    def __post_init__(self) -> None:
        self._sweeper = Sweeper(self._sweep, self._sweep_pause)
        self._batcher = Batcher(self._batch, lambda: self.backend.batch, self._more_may_come)

    @property
    def last_sweep(self) -> Snapshot | None:
        """The newest snapshot of the catalogue."""
        return self._sweeper.last

    @property
    def offered(self) -> int | None:
        """How many secrets the mapping offers; None while that is not known, or not believed."""
        return len(self.last_sweep.ids) if self.last_sweep and not self.guard.held else None

    @property
    def waiting(self) -> int:
        """How many values are to be read with the next calls."""
        return self._batcher.waiting

    async def sweep(self) -> Snapshot | None:
        """A look at the catalogue that begins now; None where only reading directly tells what changed.

        Raises SyncError.
        """
        try:
            snapshot = await self._snapshot(not_before=asyncio.get_running_loop().time())
        except (PermissionDenied, CatalogueTooLarge) as refused:
            if isinstance(refused, _Unlisted) or self.mapping.named:
                return None
            raise
        return snapshot if snapshot.versioned else None

    def seconds_of_budget(self, *, swept: bool) -> float:
        """How long the store's budget is busy with one look at everything."""
        return (self._pages if swept else self._reads()) / self.budget.per_second

    async def look(
        self,
        asked: Collection[Lookup | Search],
        hierarchy: tuple[str, ...],
        *,
        at: float,
        slack: float = 0.0,
        expected: Callable[[Looked], bool] = lambda _: False,
    ) -> Looked:
        """Which versions are there, for a namespace called `hierarchy[0]` in the backend.

        `at`: the loop's time that the answer must not be older than; `slack`: seconds by which it may, as long as
        nothing is missing. What the catalogue says is confirmed where it may err, unless it is what was `expected`.
        Every failure is an answer.
        """
        if any(isinstance(each, Search) for each in asked):
            self._searched_at = asyncio.get_running_loop().time()
        try:
            snapshot = await self._snapshot(not_before=at - slack)
            answers = self._in(snapshot, asked, hierarchy)
            if snapshot.started < at and any(isinstance(answer, SyncError) for answer in answers.values()):
                answers = self._in(await self._snapshot(not_before=at), asked, hierarchy)
        except (PermissionDenied, CatalogueTooLarge) as refused:
            return await self._unlisted(asked, hierarchy, refused, not_before=at - slack)
        except SyncError as failure:
            return dict.fromkeys(asked, failure)
        return answers if expected(answers) else await self._confirmed(answers, hierarchy, not_before=at - slack)

    async def values(self, found: Collection[Found], *, fresh: bool = False) -> dict[Found, Fetched]:
        """What was found holds: from the cache where that has just this version, else (or if `fresh`) the backend."""
        now = asyncio.get_running_loop().time()
        kept = {each: value for each in found if (value := self._kept(each, now, fresh=fresh))}
        metrics.CACHE_HITS.labels(self.store).inc(len(kept))
        wanted = [each for each in found if each not in kept]
        metrics.CACHE_MISSES.labels(self.store).inc(len(wanted))
        joined = {} if fresh else await self._batcher.join(self._batcher.under_way([each.ref for each in wanted]))
        kept |= {each: value for each in wanted if (value := _at_version(joined.get(each.ref), each.version))}
        fetched = await self._fetch({each.ref for each in found if each not in kept})
        return {each: kept.get(each) or fetched[each.ref] for each in found}

    async def aclose(self) -> None:
        """Stop what is under way and close the backend."""
        await self._sweeper.aclose()
        await self._batcher.aclose()
        if self.cache:
            self.cache.clear()
        await self.backend.aclose()

    def unusable(self) -> PermissionDenied | None:
        """Why nobody can be served with what the login may do; None where it suffices for somebody."""
        return unusable(self.store, self.mapping, self.access)

    def _listed(self) -> Catalogue:
        """The catalogue, where it may be listed and that costs fewer calls than reading. Raises SyncError."""
        if self._costly() or not self.access.listing or not isinstance(self.backend, Catalogue):
            raise _Unlisted(
                f"{self.store}: its login may not list secrets, which mapping by Tags and find need: grant that, or "
                "map by Names or Paths and name every key"
            )
        if asyncio.get_running_loop().time() - self._too_large_at < _TOO_LARGE_SECONDS:
            raise self._too_large()
        return self.backend

    def _too_large(self) -> CatalogueTooLarge:
        return CatalogueTooLarge(
            f"{self.store}: its backend lists more than {self.largest} secrets, which would take too much memory: "
            "narrow the store by prefix, map by Names or Paths and name every key, or raise --largest-catalogue"
        )

    def _readable_unlisted(self) -> bool:
        """Whether what is there may be found out by reading it."""
        minting = isinstance(self.backend, Minter) and self.backend.mints
        return self.mapping.named and not minting

    def _more_may_come(self) -> bool:
        return self._sweeper.handing_out or self.crowded()

    def _costly(self) -> bool:
        """Whether a sweep takes more calls than reading directly, where that would do."""
        searched = asyncio.get_running_loop().time() - self._searched_at < _SEARCH_SECONDS
        if not self._readable_unlisted() or searched or not isinstance(self.backend, Catalogue):
            return False
        asked = max(1, self.demand())  # so many are listed at least: some need not be swept to know that it costs more
        return self._pages > self._reads() + _LEARNING_PAGES or self.backend.sweep_calls(asked) > asked

    def _reads(self) -> int:
        """How many calls it takes to read directly for every ExternalSecret."""
        return math.ceil(max(1, self.demand()) / max(1, self.backend.batch))

    async def _snapshot(self, *, not_before: float) -> Snapshot:
        """The catalogue as it was then or later. A failure that may concern everybody is told. Raises SyncError."""
        try:
            return await self._sweeper.snapshot(not_before=not_before)
        except SyncError as failure:
            if not isinstance(failure, Throttled | StoreNotReady | CatalogueTooLarge | _Unlisted):
                self.trouble(failure)
            raise

    def _sweep_pause(self) -> float:
        """Seconds from the start of one sweep to the next: whoever asks how often, reads keep half of the budget."""
        return 0.0 if self._costly() else 2.0 * self._pages / self.budget.rate

    async def _sweep(self) -> Snapshot:
        with tracing.span("sweep", store=self.store) as span:
            snapshot = await self._catalogued()
            span.says(offered=len(snapshot.ids))
        return snapshot

    async def _catalogued(self) -> Snapshot:
        started = asyncio.get_running_loop().time()
        catalogue, pages = self._listed(), 0
        entries: list[Entry] = []
        async for entry in catalogue.entries(self.mapping.scope()):
            entries.append(entry)
            if len(entries) > self.largest:
                self._too_large_at = asyncio.get_running_loop().time()
                raise self._too_large()
            if (calls := catalogue.sweep_calls(len(entries))) != pages:
                self._pages = pages = calls
                self._listed()  # given up where it turns out to cost more than reading
        snapshot = Snapshot.of(entries, self.mapping, started=started)
        self._unswept = False
        self.guard.saw(snapshot.ids)
        metrics.STORE_OFFERED.labels(self.store).set(len(snapshot.ids))
        metrics.STORE_SWEPT.labels(self.store).set_to_current_time()
        metrics.SWEEP_SECONDS.labels(self.store).observe(asyncio.get_running_loop().time() - started)
        self.swept()
        return snapshot

    def _in(
        self, snapshot: Snapshot, asked: Collection[Lookup | Search], hierarchy: tuple[str, ...]
    ) -> dict[Lookup | Search, tuple[Found, ...] | SyncError]:
        """What the snapshot says; where much of it vanished at once, nothing is called missing."""
        answers: dict[Lookup | Search, tuple[Found, ...] | SyncError] = {}
        for each in asked:
            if isinstance(each, Search):
                answers[each] = self.guard.held or search(snapshot, self.mapping, each, hierarchy)
            else:
                answer = resolve(snapshot, self.mapping, each, hierarchy)
                answers[each] = self._doubted(answer) if isinstance(answer, SyncError) else (answer,)
        return answers

    def _doubted(self, answer: SyncError) -> SyncError:
        return (self.guard.held or answer) if isinstance(answer, SecretMissing) else answer

    async def _unlisted(
        self, asked: Collection[Lookup | Search], hierarchy: tuple[str, ...], refusal: SyncError, *, not_before: float
    ) -> Looked:
        """Answers without the catalogue: by name where names are what the mapping goes by, and no searches."""
        self._unswept = True
        lookups = [each for each in asked if isinstance(each, Lookup)] if self._readable_unlisted() else []
        return {**dict.fromkeys(asked, refusal), **await self._read(lookups, hierarchy, not_before=not_before)}

    async def _confirmed(
        self,
        answers: Mapping[Lookup | Search, tuple[Found, ...] | SyncError],
        hierarchy: tuple[str, ...],
        *,
        not_before: float,
    ) -> Looked:
        """Ask directly where the catalogue cannot tell: what it lacks may be newer than it, and a version unknown."""
        lacking = [each for each, answer in answers.items() if isinstance(each, Lookup) and self._unsure(answer)]
        direct = await self._read(lacking, hierarchy)
        known = {
            each: found
            for each, found in answers.items()
            if not isinstance(found, SyncError) and not all(one.version for one in found)
        }
        unread = {one.ref for found in known.values() for one in found if not one.version}
        read = await self._fetch(unread, not_before=not_before)
        return {**answers, **direct, **{each: _all_told(each, found, read) for each, found in known.items()}}

    def _unsure(self, answer: tuple[Found, ...] | SyncError) -> bool:
        return isinstance(answer, SecretMissing) and self.mapping.named

    async def _read(
        self, lookups: Collection[Lookup], hierarchy: tuple[str, ...], *, not_before: float = math.inf
    ) -> dict[Lookup | Search, tuple[Found, ...] | SyncError]:
        """Versions by reading values: the nearest place that holds one. Reads since `not_before` serve, too."""
        wanted: dict[Lookup, list[Ref]] = {}
        answers: dict[Lookup | Search, tuple[Found, ...] | SyncError] = {}
        for each in lookups:
            try:
                wanted[each] = [
                    Ref(self.mapping.name(at), each.version) for at in places(self.mapping, hierarchy, each.key)
                ]
            except SyncError as refused:
                answers[each] = refused
        # A version that the nearest place lacks must not be taken from a farther: is the nearest claimed at all?
        claims = {_current(ref) for refs in wanted.values() if len(refs) > 1 for ref in refs}
        read = await self._fetch(claims.union(*wanted.values()), not_before=not_before)
        for each, refs in wanted.items():
            nearest = next((ref for ref in refs if _claimed(ref, read)), None)
            if nearest is None:
                answers[each] = self._doubted(_failure(read[refs[0]]))
            else:
                answers[each] = _told(Found(each.key, nearest, ""), read[nearest])
        return answers

    def _kept(self, found: Found, now: float, *, fresh: bool) -> Value | None:
        cached = self.cache.get(found.ref, found.version, now) if self.cache and not fresh else None
        return found.value or cached  # what came with the look is fresh

    async def _batch(self, refs: Collection[Ref]) -> Mapping[Ref, Fetched]:
        """Read values, and keep them; where no catalogue tells what vanished, have the guard take it from them."""
        began = asyncio.get_running_loop().time()
        fetched = await self.backend.fetch(refs)
        for ref, answer in fetched.items():
            if self.cache and isinstance(answer, Value):
                self.cache.put(ref, answer, began)
        if not self._unswept:
            return fetched
        current = {ref.id: answer for ref, answer in fetched.items() if not ref.version}
        told = {id_: isinstance(answer, Value) for id_, answer in current.items() if _tells(answer)}
        self.guard.read(told, asyncio.get_running_loop().time())
        return fetched

    async def _fetch(self, refs: Collection[Ref], *, not_before: float = math.inf) -> dict[Ref, Fetched]:
        """Answers of calls that begin now, or began at `not_before` or later."""
        recent, before = self._read_since(not_before, refs), self.readable
        if recent.keys() == set(refs):
            return recent
        fetched = await self._batcher.fetch([ref for ref in refs if ref not in recent], not_before=not_before)
        for answer in fetched.values():
            if isinstance(answer, Value):
                self.readable = True
            elif isinstance(answer, PermissionDenied):
                self.readable = self.readable or False
            elif isinstance(answer, _TROUBLE) and not isinstance(answer, Throttled):
                self.trouble(answer)
        if self.readable is not before:
            self.swept()
        return recent | fetched

    def _read_since(self, not_before: float, refs: Collection[Ref]) -> dict[Ref, Fetched]:
        if self.cache is None:
            return {}
        now = asyncio.get_running_loop().time()
        return {ref: value for ref in refs if (value := self.cache.since(ref, not_before, now))}


def unusable(store: str, mapping: StoreMapping, access: Access) -> PermissionDenied | None:
    """Why a store with such a login serves nobody; None where it suffices for somebody."""
    if mapping.named or access.listing:
        return None
    return PermissionDenied(f"{store} maps by Tags and its login may not list secrets: {'; '.join(access.lacking)}")


def _at_version(answer: Fetched | None, version: str) -> Value | None:
    """The value, if it is one at just that version."""
    return answer if isinstance(answer, Value) and answer.version == version else None


def _failure(answer: Fetched) -> SyncError:
    if not isinstance(answer, SyncError):
        raise TypeError("a value is no failure")
    return answer


def _current(ref: Ref) -> Ref:
    return replace(ref, version="")


def _claimed(ref: Ref, read: Mapping[Ref, Fetched]) -> bool:
    """Whether somebody has this place, be it without the version that was asked for."""
    return any(not isinstance(read.get(each), SecretMissing | None) for each in (ref, _current(ref)))


def _tells(answer: Fetched) -> bool:
    """Whether the answer says that the secret is there or is not; a failure says neither."""
    return isinstance(answer, Value | SecretMissing)


def _all_told(
    asked: Lookup | Search, found: tuple[Found, ...], read: Mapping[Ref, Fetched]
) -> tuple[Found, ...] | SyncError:
    """The same with the versions that were read; a search leaves out what turns out to have no value."""
    told: list[Found] = []
    for one in found:
        answer = (one,) if one.version else _told(one, read[one.ref])
        if isinstance(answer, SyncError) and not (isinstance(asked, Search) and isinstance(answer, SecretMissing)):
            return answer
        told.extend(() if isinstance(answer, SyncError) else answer)
    return tuple(told)


def _told(found: Found, answer: Fetched) -> tuple[Found, ...] | SyncError:
    """What a value tells of its version."""
    if isinstance(answer, SyncError):
        return answer
    return (Found(found.key, found.ref, answer.version, answer),)
