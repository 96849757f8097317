"""What was found out: one row a figure, with its goal and whether that was reached."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `reached` is None where there is no goal, or nothing was measured: then `note` says why."""

    scenario: str
    what: str
    figure: float | None
    unit: str
    goal: str = ""
    ratio: float | None = None  # to the time that the bare minimum took
    reached: bool | None = None
    note: str = ""

    def json(self) -> dict[str, Any]:
        """As it goes into build/bench.json."""
        return asdict(self)

    @property
    def shown(self) -> str:
        """The figure with its unit, as people read it."""
        return "not measured" if self.figure is None else f"{number(self.figure)} {self.unit}".rstrip()

    @property
    def verdict(self) -> str:
        """What a table says of the goal."""
        return {True: "yes", False: "NO", None: "–" if self.figure is not None else "not measured"}[self.reached]


def number(figure: float) -> str:
    """Three digits that count, whole numbers whole, thousands apart."""
    if figure == int(figure) or abs(figure) >= 1000:
        return f"{figure:,.0f}"
    return f"{figure:.3g}"


def row(
    scenario: str,
    what: str,
    figure: float | None,
    unit: str = "",
    *,
    at_most: float | None = None,
    goal: str = "",
    bare: float | None = None,
    note: str = "",
) -> Row:
    """A row that is judged: `at_most` is the goal's number, `goal` its words, `bare` the bare minimum's time."""
    measured = figure is not None and at_most is not None
    return Row(
        scenario,
        what,
        None if figure is None else round(figure, 4),
        unit,
        goal or _goal(at_most, unit),
        round(figure / bare, 2) if figure is not None and bare else None,
        figure <= at_most if measured and figure is not None and at_most is not None else None,
        note,
    )


def _goal(at_most: float | None, unit: str) -> str:
    if at_most is None:
        return ""
    return f"≤ {number(at_most)} {unit}".rstrip() if at_most else "none"


def times_bare(scenario: str, what: str, seconds: float, bare: float | None, *, factor: float, note: str = "") -> Row:
    """A time that may be so many times the bare minimum's."""
    goal = f"≤ {factor:g} × the bare minimum"
    if bare is None:
        return row(
            scenario, what, seconds, "s", goal=goal, note=note or "the bare minimum was not measured in this run"
        )
    return row(scenario, what, seconds, "s", at_most=factor * bare, goal=goal, bare=bare, note=note)
