"""How much may pass: so much a second, and so much at once after a quiet time. Pure."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Tap:
    """Lets through `per_second`, and `at_once` after a quiet time. Times are any clock's, in seconds."""

    per_second: float
    at_once: int
    _level: float = field(default=0.0, init=False)  # what has passed and not run off yet
    _at: float = field(default=float("-inf"), init=False)

    def take(self, now: float) -> bool:
        """Whether one more may pass now."""
        self._level = max(0.0, self._level - (now - self._at) * self.per_second)
        self._at = now
        if self._level > self.at_once - 1:
            return False
        self._level += 1
        return True
