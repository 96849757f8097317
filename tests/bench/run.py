"""Which scenarios there are, and in which order one operator goes through them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.bench import begin, providers, steady, trouble, vault
from tests.bench.bare import Bare, measure
from tests.bench.begin import REFERENCE
from tests.bench.ground import AT_REST, Ground, Group
from tests.bench.rows import Row
from tests.demo.screen import Screen

SCENARIOS = ("first", "restart", "stuck", "throttle", "refresh", "rotate", "rotateall", "outage", "shared", "vault")
PROVIDERS = "providers"  # a run of its own: it takes minutes
_BEATING = {"refresh", "rotate", "rotateall", "outage"}
_OF_MANY = {"first", "restart"} | _BEATING
_NAMESPACES = 10
VAULT = 250  # ExternalSecrets on a real Vault


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long what needs its time is given."""

    refreshes: int = 2
    rounds: int = 1
    down: float = 12.0
    throttled: int = 300


LONG = Lengths(refreshes=100, rounds=5, down=60.0, throttled=500)


def usual(size: int) -> frozenset[str]:
    """What is measured where nobody chose: of very many only what depends on how many there are."""
    return frozenset(SCENARIOS) if size <= 2 * REFERENCE else frozenset(_OF_MANY - {"outage"})


@dataclass(slots=True)
class Run:
    """One run of the bench."""

    ground: Ground
    screen: Screen
    size: int
    chosen: frozenset[str]
    lengths: Lengths
    first: begin.First | None = None
    reference: begin.First | None = None
    bare: Bare | None = None
    now: steady.Beating | None = field(default=None, init=False)

    def everything(self) -> list[Row]:
        """All that was chosen; the rows."""
        group = self._synced() if self.chosen & _OF_MANY else None
        if group and "restart" in self.chosen:
            self._told("restart", begin.restart(self.ground, group))
        elif not self.ground.operator.running:
            self.ground.start()
            self.ground.operator.wait_ready()
        if "stuck" in self.chosen:
            self._told("one stuck", trouble.one_stuck(self.ground, self.lengths.rounds))
        if "throttle" in self.chosen:
            self._told("throttled", trouble.throttled(self.ground, self.lengths.throttled))
        if "vault" in self.chosen:
            self._told("Vault", vault.vault(self.ground, VAULT))
        if PROVIDERS in self.chosen:
            self._told("", providers.rotations(self.ground, self.screen, self.size))
        if group and self.chosen & _BEATING:
            self._beating(group)
        if self.now and "outage" in self.chosen:
            self._told("down", trouble.outage(self.now, self.lengths.down, self._shared))
        else:
            self._shared()
        return self.ground.rows

    def _synced(self) -> Group:
        """The group that most scenarios are about, in sync and at rest."""
        if "first" in self.chosen and self.size > REFERENCE:
            self.reference, small = self._first("small", REFERENCE)
            self.ground.operator.stop()
            self.ground.remove(small)
        self.first, group = self._first("bench", self.size)
        if {"first", "restart"} & self.chosen:
            self.ground.operator.stop()
        if "first" in self.chosen:
            with self.screen.doing("the bare minimum: a loop that writes the same"), self.ground.marked("bare minimum"):
                self.bare = measure(self.ground, group, min(self.size, 2 * REFERENCE))
            self._told("", begin.first_rows(self.first, self.bare, self.reference))
        return group

    def _first(self, name: str, size: int) -> tuple[begin.First, Group]:
        with self.screen.doing(f"{size:,} ExternalSecrets are declared"):
            group = self.ground.group(name, size, namespaces=_NAMESPACES)
            self.ground.declare(group, AT_REST)
        with self.screen.doing(f"the first sync of {size:,}"), self.ground.marked("first sync"):
            return begin.first_sync(self.ground, group, within=120 + size / 10), group

    def _beating(self, group: Group) -> None:
        with self.screen.doing("a short interval is set, and seen"), self.ground.marked("new interval"):
            now = self.now = steady.beating(self.ground, group)
        if "refresh" in self.chosen:
            self._told("refresh", steady.refresh(now, self.lengths.refreshes))
        if "rotate" in self.chosen:
            self._told("1 %", steady.rotate(now, 0.01))
        if "rotateall" in self.chosen:
            self._told("all rotated", steady.rotate_all(now, self.first, self.bare))

    def _shared(self) -> None:
        """Where the backend is down for a while anyway, this is measured meanwhile: it is about counts, not times."""
        if "shared" in self.chosen:
            self._told("shared", trouble.shared(self.ground, 500))

    def _told(self, mark: str, rows: Iterable[Row]) -> None:
        """Measure, and tell every figure as it comes. `mark`: what the plots call it."""
        heading = ""
        with self.ground.marked(mark):
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
