"""What a run looked like over time: calls, writes, processor time and memory."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tests.bench.begin import MEMORY
from tests.bench.ground import Ground
from tests.bench.plot import Chart, Line, Panel, Point
from tests.bench.usage import MIB, Usage

_BLUE, _RED, _GREEN, _GREY, _VIOLET = "#1f6fb2", "#c8372d", "#2c8a57", "#9aa5b1", "#6a4fb3"


def drawn(ground: Ground, size: int) -> Chart:
    """The chart of all that ran."""
    start = min(at for at, _, _ in ground.marks)
    end = max(at for _, at, _ in ground.marks)
    calls = [call for group in ground.groups for call in group.account.calls()]
    writes = ground.ledger.writes()
    bare = [each for each in writes if each.namespace.startswith("plain-")]
    own = [each for each in writes if not each.namespace.startswith("plain-")]
    series = [each for each in ground.sampler.series if start <= each.at <= end]

    def rate(times: Iterable[float]) -> list[list[Point]]:
        return list(_a_second(at - start for at in times if start <= at <= end))

    panels = [
        Panel(
            "Calls to the backend, a second",
            [
                Line(_BLUE, rate(call.at for call in calls if not call.throttled), "answered", filled=True),
                Line(_RED, rate(call.at for call in calls if call.throttled), "throttled", filled=True),
            ],
        ),
        Panel(
            "Writes to the API server, a second",
            [
                Line(_GREY, rate(each.at for each in bare), "the bare minimum", filled=True),
                Line(_GREEN, rate(each.at for each in own), "the operator", filled=True),
            ],
        ),
        Panel(
            "Processor time, % of a core",
            [
                Line(_GREY, [list(_others(ground, start, end))], "what is not the bench's"),
                Line(_VIOLET, list(_load(series, start)), "the operator", filled=True),
            ],
        ),
        Panel("The operator's resident memory, MiB", [Line(_BLUE, list(_memory(series, start)))], MEMORY.get(size)),
    ]
    marks = [(begin - start, done - start, name) for begin, done, name in ground.marks if name]
    return Chart(end - start, panels, marks)


def _a_second(times: Iterable[float]) -> Iterator[list[Point]]:
    """How many there were in each second: steps, with nothing drawn where there was nothing."""
    counts = Counter(int(at) for at in times)
    steps: list[Point] = []
    for second in sorted(counts):
        if steps and steps[-1][0] < second:
            yield steps
            steps = []
        steps += [(float(second), float(counts[second])), (second + 1.0, float(counts[second]))]
    if steps:
        yield steps


def pieces(series: Sequence[Usage]) -> Iterator[list[Usage]]:
    """The series of each process: processor time starts anew with one."""
    run: list[Usage] = []
    for each in series:
        if run and each.cpu < run[-1].cpu:
            yield run
            run = []
        run.append(each)
    if run:
        yield run


def _load(series: Sequence[Usage], start: float) -> Iterator[list[Point]]:
    for run in pieces(series):
        pairs = list(zip(run[::4], run[4::4], strict=False))
        points = [(later.at - start, 100 * (later.cpu - one.cpu) / (later.at - one.at)) for one, later in pairs]
        if points:
            yield points


def _others(ground: Ground, start: float, end: float) -> Iterator[Point]:
    series = [each for each in ground.sampler.others if start <= each[0] <= end][::4]
    for (one, before), (later, after) in itertools.pairwise(series):
        yield later - start, max(0.0, 100 * (after - before) / (later - one))


def _memory(series: Sequence[Usage], start: float) -> Iterator[list[Point]]:
    for run in pieces(series):
        yield [(each.at - start, each.memory / MIB) for each in run]
