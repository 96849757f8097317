"""A chart as SVG: panels over one axis of time, with what ran when. Ours, since it is all that would be drawn.

A library for it (matplotlib, with numpy) would be more than all other packages of the set-up together.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT, TOP, HEIGHT, GAP = 1000, 58, 14, 92, 96, 34
_INK, _FAINT, _GRID = "#1f2933", "#66727f", "#d9dee3"
_BANDS = ("#eef3f8", "#f8fafb")

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """Points in the order of time, in pieces: between two of them nothing is known."""

    colour: str
    pieces: Sequence[Sequence[Point]]
    label: str = ""
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One quantity."""

    title: str
    lines: Sequence[Line]
    goal: float | None = None

    @property
    def top(self) -> float:
        """The end of its axis: 1, 1.5, 2, 2.5 or 5 times a power of ten."""
        highest = max((y for line in self.lines for piece in line.pieces for _, y in piece), default=0.0)
        highest = max(highest, self.goal or 0.0, 1e-9)
        power = 10.0 ** math.floor(math.log10(highest))
        return next(step * power for step in (1, 1.5, 2, 2.5, 5, 10) if step * power >= highest)


@dataclass(frozen=True, slots=True)
class Chart:
    """All panels, from 0 to `seconds`. `marks`: from, to and name of what ran."""

    seconds: float
    panels: Sequence[Panel]
    marks: Sequence[tuple[float, float, str]]

    def svg(self) -> str:
        """The whole picture."""
        height = TOP + len(self.panels) * (HEIGHT + GAP) + 6
        root = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"'
        paper = f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
        parts = [f'{root} font-size="11" fill="{_INK}">{paper}', *self._bands(height)]
        for number, panel in enumerate(self.panels):
            parts += self._panel(panel, TOP + 18 + number * (HEIGHT + GAP), last=number == len(self.panels) - 1)
        return "\n".join([*parts, "</svg>", ""])

    def _x(self, seconds: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, seconds / self.seconds), 1)

    def _bands(self, height: int) -> Iterator[str]:
        for number, (start, end, name) in enumerate(sorted(self.marks, key=lambda mark: (mark[0], -mark[1]))):
            x, wide = self._x(start), max(1.0, self._x(end) - self._x(start))
            colour = _BANDS[number % 2]
            yield f'<rect x="{x}" y="{TOP - 4}" width="{wide:.1f}" height="{height - TOP - 14}" fill="{colour}"/>'
            yield f'<path d="M{x} {TOP - 4}v{height - TOP - 14}" stroke="{_GRID}"/>'
            at = f"{x + min(wide, 24) / 2:.1f},{TOP - 8}"
            yield f'<text transform="translate({at}) rotate(-38)" fill="{_FAINT}">{escape(name)}</text>'

    def _panel(self, panel: Panel, y: int, *, last: bool) -> Iterator[str]:
        def up(value: float) -> float:
            return round(y + HEIGHT * (1 - value / panel.top), 1)

        yield f'<text x="{LEFT}" y="{y - 6}" font-weight="bold">{escape(panel.title)}</text>'
        for value in (0.0, panel.top / 2, panel.top):
            yield f'<path d="M{LEFT} {up(value)}H{WIDTH - RIGHT}" stroke="{_GRID}"/>'
            yield f'<text x="{LEFT - 6}" y="{up(value) + 4}" text-anchor="end" fill="{_FAINT}">{value:g}</text>'
        for line in panel.lines:
            for piece in line.pieces:
                yield from self._drawn(line, [(self._x(at), up(value)) for at, value in piece], up(0))
        if panel.goal is not None:
            dashes = f'stroke="{_FAINT}" stroke-dasharray="4 3"'
            yield f'<path d="M{LEFT} {up(panel.goal)}H{WIDTH - RIGHT}" {dashes}/>'
            at = f'x="{WIDTH - RIGHT - 4}" y="{up(panel.goal) - 3}"'
            yield f'<text {at} text-anchor="end" fill="{_FAINT}">goal</text>'
        yield from self._legend(panel, y - 6)
        if last:
            yield from self._axis(y + HEIGHT + 14)

    def _drawn(self, line: Line, points: Iterable[Point], floor: float) -> Iterator[str]:
        listed = list(points)
        path = "L".join(f"{x} {y}" for x, y in listed)
        if line.filled:
            area = f"M{listed[0][0]} {floor}L{path}L{listed[-1][0]} {floor}Z"
            yield f'<path d="{area}" fill="{line.colour}" fill-opacity="0.35"/>'
        yield f'<path d="M{path}" fill="none" stroke="{line.colour}" stroke-width="1.3" stroke-linejoin="round"/>'

    def _legend(self, panel: Panel, y: int) -> Iterator[str]:
        x = WIDTH - RIGHT
        for line in reversed([line for line in panel.lines if line.label]):
            yield f'<text x="{x}" y="{y}" text-anchor="end" fill="{line.colour}">{escape(line.label)}</text>'
            x -= 8 * len(line.label) + 12

    def _axis(self, y: int) -> Iterator[str]:
        step = next(each for each in (5, 10, 20, 30, 60, 120, 300, 600, 3600) if self.seconds / each <= 14)
        for seconds in range(0, int(self.seconds) + 1, step):
            text = f"{seconds} s"
            yield f'<text x="{self._x(seconds)}" y="{y}" text-anchor="middle" fill="{_FAINT}">{text}</text>'
