"""When to start again what breaks, works for a while, and breaks again. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from keyferry.schedule import backoff

_BASE_SECONDS = 1.0
_STEADY_SECONDS = 60.0  # what has worked for so long is well; what has not was only up for a moment
_RELAPSE_CAP_SECONDS = 60.0


@dataclass(slots=True)
class Restarts:
    """Counts how often something broke.

    What does not work at all is tried again soon, so that it recovers soon. What comes and goes is given ever more
    rest, for each time costs something: it is told, and somebody looks.
    """

    failures: int = 0  # in a row
    relapses: int = 0  # in a row, each after having worked for a moment

    def broke(self, *, worked: float | None, cap: float, chance: Callable[[], float]) -> float:
        """It broke, having worked for so many seconds, or None: not at all. Returns how many to wait."""
        if worked is None:
            self.failures += 1
        else:
            self.failures = 1
            self.relapses = self.relapses + 1 if worked < _STEADY_SECONDS else 0
        pause = backoff.after(self.failures, base=_BASE_SECONDS, cap=cap, chance=chance)
        rest = backoff.after(self.relapses, base=_BASE_SECONDS, cap=_RELAPSE_CAP_SECONDS, chance=chance)
        return max(pause, rest) if self.relapses else pause
