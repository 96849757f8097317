"""The bad days: a backend that throttles, one that is gone for a while, one that is stuck among many."""

import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from tests.bench.backend import Account, Call
from tests.bench.ground import Ground, Group
from tests.bench.ledger import SECRETS, STATUSES
from tests.bench.rows import Row, row
from tests.bench.steady import Beating, looked
from tests.bench.usage import BUSY

RATE = 50  # calls a second that the throttling backend bears
ALLOWED = (RATE, 1000)  # calls a second that a store is allowed which knows that, and one which does not
KEYS = 100  # of an ExternalSecret there
STORES, EACH, EVERY, TURNS = 20, 10, 2, 2
_SLOWEST_CHECK = 2.0  # seconds between two looks at a store that is down, as far as its backoff grows
_QUICKEST_CHECK = 0.8 * _SLOWEST_CHECK  # as chance has it


def throttled(ground: Ground, size: int) -> Iterator[Row]:
    """A backend that bears 50 calls a second, one secret a call: a store that knows it, and one that does not.

    Each has an account of its own, so both are tried at once. Few ExternalSecrets with many keys each, so that it is
    the backend that limits and not the work of writing.
    """
    groups = {rate: ground.group(f"throttle-{rate}", size // KEYS, keys=KEYS, batching=False) for rate in ALLOWED}
    since = len(ground.ledger)
    for group in groups.values():
        ground.declare(group, "3s")
    for allowed, group in groups.items():
        ground.synced(group, since, within=120)
        group.account.limit(RATE)
        ground.world.patch("ClusterSecretStore", "", group.store, {"spec": {"refresh": {"callsPerSecond": allowed}}})
    for group in groups.values():
        ground.world.still(group.account.counts, for_seconds=1.5, within=60)
    since, asked = len(ground.ledger), {allowed: len(group.account.calls()) for allowed, group in groups.items()}
    began = {allowed: group.account.rotate() for allowed, group in groups.items()}
    for allowed, group in groups.items():
        ground.synced(group, since, within=60 + size / 5)
        noticed = looked(group.account.sweeps(asked[allowed]), began[allowed])
        calls = [call for call in group.account.calls(asked[allowed]) if call.at >= noticed]
        wrong = ground.wrong(group, dict.fromkeys(group.account.secrets, 1))
        yield from _throttled(f"callsPerSecond {allowed}", group, calls, wrong)
    for group in groups.values():
        ground.remove(group)


def _throttled(store: str, group: Group, calls: list[Call], wrong: int) -> Iterator[Row]:
    name, needed = f"backend throttles at {RATE} calls/s", len(group.account.secrets) + group.pages
    refused = [call for call in calls if call.throttled]
    later = [call for call in calls if call.at > calls[0].at + 1]
    share = sum(call.throttled for call in later) / max(1, len(later)) * 100
    note = f"{len(refused)} of {len(calls)} calls in all were refused; {needed} were needed, one for each value"
    yield row(name, f"{store}: calls refused after the first second", share, "%", at_most=1, note=note)
    least = max(1.0, (needed - RATE) / RATE)
    taken = max(call.at for call in calls if call.of_values and not call.throttled) - calls[0].at
    goal = f"≤ 1.2 × what {RATE} calls/s allow ({least:.1f} s)"
    what = f"{store}: all rotated, from the look at the catalogue that notices to the last value"
    yield row(name, what, taken, "s", at_most=1.2 * least, goal=goal)
    yield row(name, f"{store}: Secrets that do not hold what they should", wrong, at_most=0)


def outage(now: Beating, seconds: float, meanwhile: Callable[[], None]) -> Iterator[Row]:
    """The backend of a group that is in sync is gone for so long, and comes back."""
    ground, group, account = now.ground, now.group, now.group.account
    ground.quiet(0.5)
    since, spent = len(ground.ledger), _spent(now)
    down = account.down()
    ground.written(group, STATUSES, 1, since, within=60 + 2 * now.every)
    ground.quiet(1.5)
    meanwhile()
    time.sleep(max(0.0, down + seconds - time.time()))
    kept, told, calls = ground.wrong(group, now.rotated), ground.ready(group), _spent(now) - spent
    touched = ground.ledger.writes(since, what=SECRETS, namespaces=group.namespaces)
    back = len(ground.ledger)
    up = account.up()
    gone = up - down
    ground.written(group, STATUSES, group.size - told, back, within=90)
    ground.until(lambda: ground.ready(group) == group.size, "that all are in sync again", within=90, poll=0.5)
    ended = max(each.at for each in ground.ledger.writes(back, what=STATUSES, namespaces=group.namespaces))
    name = f"backend down for {gone:.0f} s, then up"
    note = f"{group.size - told} of {group.size} had said that it is down"
    shorter = "" if gone >= 60 else "; 60 s with LONG=1"
    yield row(name, "Secrets that do not hold what they should, at its end", kept, at_most=0)
    yield row(name, "writes of Secrets while it is down", len(touched), at_most=0)
    most = math.ceil(gone / _QUICKEST_CHECK) + 8
    goal = f"≤ {most}: one try every {_QUICKEST_CHECK:g} s, and what was under way"
    yield row(name, "calls while it is down", calls, at_most=most, goal=goal, note=f"by the operator's count{shorter}")
    yield row(name, "all in sync, from its return", ended - up, "s", at_most=5, note=note)


def _spent(now: Beating) -> float:
    """Calls of the store by the operator's own count: what reaches nobody, nobody else can count."""
    return now.ground.world.metric("keyferry_backend_calls_total", store=f"ClusterSecretStore {now.group.store}")


def one_stuck(ground: Ground, rounds: int) -> Iterator[Row]:
    """Twenty stores; one of them takes calls and answers none. With and without take turns: a machine's mood drifts."""
    groups = [ground.group(f"store-{number}", EACH) for number in range(STORES)]
    since = len(ground.ledger)
    for group in groups:
        ground.declare(group, f"{EVERY}s")
    for group in groups:
        ground.synced(group, since, within=60)
    stuck, *others = groups
    grid = _beats(ground, others)
    _delays(ground, groups, others, grid, 1)  # to warm up
    without, with_one = _Half([], []), _Half([], [])
    for turn in range(TURNS):
        if turn:
            ground.written(stuck, SECRETS, EACH, since, within=60)  # it has come back
        began = time.time()
        without.add(ground, _delays(ground, groups, others, grid, rounds), began)
        stuck.account.stick(stuck=True)
        ground.until(lambda: _asked_lately(stuck.account), "that the stuck store is asked", within=30, poll=0.1)
        began, since = time.time(), len(ground.ledger)
        with_one.add(ground, _delays(ground, groups, others, grid, rounds), began)
        stuck.account.stick(stuck=False)
    for group in groups:
        ground.remove(group)
    yield from _compared(f"{STORES} stores, one of them stuck", without, with_one)


@dataclass(frozen=True, slots=True)
class _Half:
    """Delays, and how much of the machine went to other work while they were measured."""

    delays: list[float]
    others: list[float]

    def add(self, ground: Ground, delays: list[float], since: float) -> None:
        self.delays.extend(delays)
        self.others.append(ground.sampler.share_of_others(since))

    @property
    def busy(self) -> float:
        return statistics.fmean(self.others)


def _compared(name: str, without: _Half, with_one: _Half) -> Iterator[Row]:
    usual, now = statistics.median(without.delays), statistics.median(with_one.delays)
    note = f"medians of {len(with_one.delays)} changes; {usual * 1000:.0f} ms without a stuck one"
    what = f"the other {STORES - 1}: from their beat until a change is written, more than without"
    judged = row(name, what, (now / usual - 1) * 100, "%", at_most=10, note=note)
    if max(without.busy, with_one.busy) > BUSY:
        busy = f"other work took {without.busy:.0%} of the machine without, {with_one.busy:.0%} with it"
        judged = replace(judged, reached=None, note=f"{note}; not judged: {busy}")
    yield judged
    tail, usual_tail = (statistics.quantiles(each.delays, n=10)[-1] * 1000 for each in (with_one, without))
    yield row(name, "the same, slowest tenth", tail, "ms", note=f"{usual_tail:.0f} ms without a stuck one")


def _asked_lately(account: Account) -> bool:
    return account.calls()[-1].at > time.time() - 0.5


def _beats(ground: Ground, groups: list[Group]) -> dict[str, float]:
    """When each store's beats are, within its interval: the earliest of some looks at its catalogue."""
    starts = {group.store: len(group.account.calls()) for group in groups}
    looks = {}
    for group in groups:
        start = starts[group.store]
        ground.until(lambda: len(group.account.sweeps(start)) >= 3, "three refreshes", within=30, poll=0.1)  # noqa: B023
        looks[group.store] = [call.at for call in group.account.sweeps(start)]
    return {store: _earliest(times, EVERY) for store, times in looks.items()}


def _earliest(times: list[float], every: float) -> float:
    """The one that came the least after a beat, whose rhythm is known and whose beats are not."""
    return times[0] + min((at - times[0] + every / 2) % every - every / 2 for at in times)


def _delays(
    ground: Ground, rotated: list[Group], seen: list[Group], grid: dict[str, float], rounds: int
) -> list[float]:
    """For each round and store: seconds from the beat at which a change could be seen until all of it is written."""
    delays = []
    for _ in range(rounds):
        since = len(ground.ledger)
        began = {group.store: group.account.rotate() for group in rotated}
        for group in seen:
            at, start = began[group.store], grid[group.store]
            ended = ground.written(group, SECRETS, group.size, since, within=60)
            delays.append(ended - (start + math.ceil((at - start) / EVERY) * EVERY))
    return delays


def shared(ground: Ground, size: int) -> Iterator[Row]:
    """Many ExternalSecrets that all read one secret."""
    group = ground.group("shared", size, keys=0)
    account, name = group.account, f"{size} ExternalSecrets on one secret"
    ground.until(lambda: len(account.calls()) >= 2, "that the login is checked", within=30)
    since, asked = len(ground.ledger), len(account.calls())
    ground.declare(group, f"{EVERY}s")
    ground.synced(group, since, within=90)
    yield row(name, "calls for values at the first sync", _values(account, asked), at_most=1)
    ground.quiet(0.5)
    since, asked = len(ground.ledger), len(account.calls())
    began = account.rotate()
    ended = ground.synced(group, since, within=90)
    noticed = next(call.at for call in account.sweeps(asked) if call.at >= began)
    yield row(name, "calls for values at a change", _values(account, asked), at_most=1)
    yield row(name, "all are written, from the look at the catalogue that notices", ended - noticed, "s")
    wrong = ground.wrong(group, dict.fromkeys(account.secrets, 1))
    yield row(name, "Secrets that do not hold what they should", wrong, at_most=0)


def _values(account: Account, since: int) -> int:
    return sum(call.of_values for call in account.calls(since))
