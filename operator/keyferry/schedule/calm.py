"""Patience with a quarrel: what is disturbed again and again is mended less and less often. Pure."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from keyferry.schedule import backoff

K = TypeVar("K", bound=Hashable)

_AT_ONCE = 5  # disturbances in a row that are mended without delay
_FORGOTTEN_SECONDS = 120.0  # of quiet after which all is forgotten
_CAP_SECONDS = 60.0


@dataclass(slots=True)
class Calm(Generic[K]):
    """Counts how often each key was disturbed lately. Times are the loop's, in seconds."""

    _lately: dict[K, tuple[int, float]] = field(default_factory=dict)

    def disturbed(self, key: K, now: float) -> float:
        """When to mend what was just disturbed: now, or later the more often it happens."""
        count, last = self._lately.get(key, (0, now))
        count = 1 if now - last > _FORGOTTEN_SECONDS else count + 1
        self._lately[key] = (count, now)
        if count <= _AT_ONCE:
            return now
        return now + backoff.after(count - _AT_ONCE, base=1.0, cap=_CAP_SECONDS, chance=lambda: 0.5)

    def forget(self, key: K) -> None:
        """The key is no more."""
        self._lately.pop(key, None)
