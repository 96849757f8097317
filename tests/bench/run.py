"""Which scenarios there are, and in which order one operator goes through them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.bench import begin, steady
from tests.bench.bare import Bare, measure
from tests.bench.ground import AT_REST, Ground, Group
from tests.bench.rows import Row
from tests.demo.screen import Screen

SCENARIOS = ("first", "restart", "refresh", "rotate", "rotateall")
BEATING = {"refresh", "rotate", "rotateall"}
NAMESPACES = 10
REFERENCE = 1_000


@dataclass(slots=True)
class Run:
    """One run of the bench."""

    ground: Ground
    screen: Screen
    size: int
    chosen: frozenset[str]
    long: bool
    first: begin.First | None = None
    reference: begin.First | None = None
    bare: Bare | None = None
    _group: Group | None = field(default=None, init=False)

    def everything(self) -> list[Row]:
        """All that was chosen; the rows."""
        group = self._synced()
        if "restart" in self.chosen:
            self._told("restart", begin.restart(self.ground, group))
        elif not self.ground.operator.running:
            self.ground.start()
            self.ground.operator.wait_ready()
        if BEATING & self.chosen:
            self._beating(group)
        return self.ground.rows

    def _synced(self) -> Group:
        """The group that most scenarios are about, in sync and at rest."""
        if "first" in self.chosen and self.size > REFERENCE:
            self.reference, _ = self._first("small", REFERENCE)
            self.ground.operator.stop()
        self.first, group = self._first("bench", self.size)
        if {"first", "restart"} & self.chosen:
            self.ground.operator.stop()
        if "first" in self.chosen:
            with self.screen.doing("the bare minimum: a loop that writes the same"), self.ground.marked("bare minimum"):
                self.bare = measure(self.ground, group, min(self.size, 2 * REFERENCE))
            self._told("first", begin.first_rows(self.first, self.bare, self.reference))
        return group

    def _first(self, name: str, size: int) -> tuple[begin.First, Group]:
        with self.screen.doing(f"{size:,} ExternalSecrets are declared"):
            group = self.ground.group(name, size, namespaces=NAMESPACES)
            self.ground.declare(group, AT_REST)
        with self.screen.doing(f"the first sync of {size:,}"), self.ground.marked("first sync"):
            return begin.first_sync(self.ground, group, within=120 + size / 10), group

    def _beating(self, group: Group) -> None:
        with self.screen.doing("a short interval is set, and seen"):
            now = steady.beating(self.ground, group)
        if "refresh" in self.chosen:
            self._told("refresh", steady.refresh(now, 10 if not self.long else 20))
        if "rotate" in self.chosen:
            self._told("rotate", steady.rotate(now, 0.01))
        if "rotateall" in self.chosen:
            self._told("rotateall", steady.rotate_all(now, self.first, self.bare))

    def _told(self, scenario: str, rows: Iterable[Row]) -> None:
        """Measure, and tell every figure as it comes."""
        heading = ""
        with self.ground.marked(scenario):
            for each in rows:
                if each.scenario != heading:
                    heading = each.scenario
                    self.screen.heading(heading)
                tell(self.screen, each)
                self.ground.rows.append(each)


def tell(screen: Screen, each: Row) -> None:
    """One figure, on the terminal."""
    ratio = f"{each.ratio:g} × bare" if each.ratio is not None else ""
    aside = "; ".join(part for part in (ratio, each.goal, each.note) if part)
    text = f"{each.shown}: {each.what}" + (f" ({aside})" if aside else "")
    if each.reached is False:
        screen.failed(text)
    elif each.reached:
        screen.done(text)
    else:
        screen.say(f"  {text}")
