"""The long days: refreshes that find nothing, and those that find something."""

import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.bench.backend import LATENCY, Call
from tests.bench.bare import Bare
from tests.bench.begin import First
from tests.bench.ground import Ground, Group
from tests.bench.ledger import SECRETS, STATUSES
from tests.bench.rows import Row, row, times_bare
from tests.bench.usage import MIB, Usage

_FLAT = 0.03


@dataclass(slots=True)
class Beating:
    """A group that is refreshed at a short interval, and how often each of its secrets was rotated."""

    ground: Ground
    group: Group
    every: int  # seconds
    rotated: Counter[str]

    def sweeps(self, number: int, *, since: int | None = None) -> float:
        """Return when so many more looks at the catalogue have begun; the time of the last."""
        account = self.group.account
        start = len(account.calls()) if since is None else since
        within = 30 + 4 * self.every * number
        what = f"{number} refreshes"
        self.ground.until(lambda: len(account.sweeps(start)) >= number, what, within=within, poll=0.05)
        return account.sweeps(start)[number - 1].at

    def rests(self) -> None:
        """Return when a look at the catalogue has just ended: the worst moment for a change."""
        account, start = self.group.account, len(self.group.account.calls())
        self.sweeps(1, since=start)
        begun = next(number for number, call in enumerate(account.calls(start)) if call.begins_sweep)
        pages = self.group.pages
        self.ground.until(lambda: len(account.calls(start + begun)) >= pages, "a whole look", within=30, poll=0.01)
        time.sleep(3 * LATENCY)  # the last page is put together when it is sent


def beating(ground: Ground, group: Group) -> Beating:
    """Give a group that is in sync a short interval; return when its statuses say that this was seen."""
    every = max(2, group.size // 500)
    since = len(ground.ledger)
    ground.declare(group, f"{every}s")
    ground.written(group, STATUSES, group.size, since, within=60 + group.size / 20)
    made = Beating(ground, group, every, Counter())
    made.sweeps(1)  # whoever was written last joins the beat
    return made


def refresh(now: Beating, times: int) -> Iterator[Row]:
    """Nothing changed, so many times over."""
    ground, group = now.ground, now.group
    since, asked, synced = len(ground.ledger), len(group.account.calls()), ground.world.syncs()
    first = now.sweeps(1)
    before = ground.usage()
    now.sweeps(times)
    after = ground.usage()
    calls, whole = between_sweeps(group.account.calls(asked))
    took = group.account.sweeps(asked)[times].at - first
    refreshed = times * group.size
    name, note = "refresh, nothing changed", f"{times} refreshes, one every {took / times:.1f} s"
    each = (after.cpu - before.cpu) / refreshed * 1000
    yield row(name, "CPU of the operator for one ExternalSecret and refresh", each, "ms", at_most=0.3, note=note)
    yield row(name, "writes to the API server", len(ground.ledger.writes(since)), at_most=0, note=note)
    pages = sum(not call.of_values for call in calls) / whole
    yield row(name, "calls for the catalogue in a refresh", pages, at_most=group.pages, goal=f"≤ {group.pages} pages")
    yield row(name, "calls for values", sum(call.of_values for call in calls), at_most=0)
    seen = (ground.world.syncs() - synced) / group.size
    yield row(name, "looks at each ExternalSecret in a refresh", seen / (whole + 1))
    yield _growth(now, before, after, times)


def between_sweeps(calls: list[Call]) -> tuple[list[Call], int]:
    """The calls from the beginning of the first sweep to that of the last, and how many sweeps these are.

    When counting begins and ends, a sweep is under way: its pages belong to no refresh that is counted.
    """
    begins = [number for number, call in enumerate(calls) if call.begins_sweep]
    return calls[begins[0] : begins[-1]], len(begins) - 1


def looked(sweeps: list[Call], since: float) -> float:
    """When the first look at the catalogue began since then; one that was under way may notice, too."""
    return next((call.at for call in sweeps if call.at >= since), since)


def _growth(now: Beating, before: Usage, after: Usage, times: int) -> Row:
    """How much more memory is resident in the last quarter of the time than in the first."""
    series = [each.memory / MIB for each in now.ground.sampler.series if before.at <= each.at <= after.at]
    quarter = max(1, len(series) // 4)
    start, end = statistics.median(series[:quarter]), statistics.median(series[-quarter:])
    most, name, what = start * _FLAT, f"memory at {now.group.size:,}", f"grown over {times} refreshes"
    note = f"from {start:.0f} MiB; first and last quarter of the time compared"
    judged = row(
        name, what, end - start, "MiB", at_most=most, goal=f"flat: ≤ {_FLAT:.0%} over 100 refreshes", note=note
    )
    if times >= 100 or judged.reached is False:
        return judged
    return replace(judged, reached=None, note=f"{note}; {times} refreshes are too few to judge by: LONG=1 makes 100")


def rotate(now: Beating, share: float) -> Iterator[Row]:
    """Rotate some, just after a look at the catalogue."""
    ground, group, account = now.ground, now.group, now.group.account
    step = round(1 / share)
    names = account.secrets[::step]
    now.rests()
    since, asked = len(ground.ledger), len(account.calls())
    began = account.rotate(names)
    now.rotated.update(names)
    ended = ground.written(group, SECRETS, len(names), since, within=60 + 3 * now.every)
    noticed = looked(account.sweeps(asked), began)
    ground.written(group, STATUSES, len(names), since, within=30)
    now.sweeps(1)
    written = ground.ledger.writes(since)
    name = f"{share:.0%} rotated"
    yield row(
        name,
        "the changed Secrets are written",
        ended - began,
        "s",
        at_most=now.every + 2,
        goal=f"≤ the interval, {now.every} s, + 2 s",
    )
    yield row(name, "the same, from the look at the catalogue that notices", ended - noticed, "s")
    touched = {f"{each.namespace}/{each.name}" for each in written}
    yield row(name, "others that were touched", len(touched - set(names)), at_most=0)
    yield row(name, "writes", len(written), at_most=2 * len(names), goal=f"≤ {2 * len(names)}: Secrets and statuses")
    values = sum(call.of_values for call in account.calls(asked))
    yield row(name, "calls for values", values, at_most=-(-len(names) // 20))
    yield row(name, "Secrets that do not hold what they should", ground.wrong(group, now.rotated), at_most=0)


def rotate_all(now: Beating, first: First | None, bare: Bare | None) -> Iterator[Row]:
    """Everything at once, as after a break-in."""
    ground, group, account = now.ground, now.group, now.group.account
    now.rests()
    since, asked = len(ground.ledger), len(account.calls())
    began = account.rotate()
    now.rotated.update(account.secrets)
    ended = ground.synced(group, since, within=120 + group.size / 10)
    noticed = looked(account.sweeps(asked), began)
    name, taken = "all rotated at once", ended - noticed
    least = bare.of(group.size) if bare else None
    what = "all are written, from the look at the catalogue that notices"
    if first:
        limit = 1.5 * first.seconds
        yield row(name, what, taken, "s", at_most=limit, goal=f"≤ 1.5 × first sync ({first.seconds:.1f} s)", bare=least)
    else:
        yield times_bare(name, what, taken, least, factor=2.25)
    values = sum(call.of_values for call in account.calls(asked))
    yield row(name, "calls for values", values, at_most=-(-group.size // 20))
    yield row(name, "writes", len(ground.ledger.writes(since)), at_most=2 * group.size)
    yield row(name, "Secrets that do not hold what they should", ground.wrong(group, now.rotated), at_most=0)
