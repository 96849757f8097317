"""When each key was last looked at, and which are past their interval by how much."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

G = TypeVar("G", bound=Hashable)
K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class Look:
    """The last look at a key, which another one moves to its own time."""

    at: float


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late the keys of one group and interval are. Times in seconds."""

    oldest: float  # age of the look that is the longest ago
    most: float  # how far that is past the interval; 0 where it is not
    late: int  # keys that are past it by more than is forgiven


@dataclass(slots=True)
class Looks(Generic[G, K]):
    """Keys by group and interval. What is told of them is reckoned when asked for: about a millisecond for 10,000."""

    _of: dict[tuple[G, float], dict[K, Look]] = field(default_factory=dict)
    _where: dict[K, tuple[G, float]] = field(default_factory=dict)

    def keep(self, key: K, group: G, interval: float, now: float) -> Look:
        """The key's last look, after which it is to be looked at within the interval; now, where none is known."""
        known = self._where.get(key)
        look = self._of[known][key] if known else Look(now)
        if known != (group, interval):
            self.forget(key)
            self._where[key] = (group, interval)
            self._of.setdefault((group, interval), {})[key] = look
        return look

    def forget(self, key: K) -> None:
        """The key is not to be looked at any more."""
        if where := self._where.pop(key, None):
            of_group = self._of[where]
            del of_group[key]
            if not of_group:
                del self._of[where]

    def late(self, now: float, forgiven: float) -> Iterator[tuple[G, Lateness]]:
        """Each group, once for each of its intervals."""
        for (group, interval), looks in self._of.items():
            times = [look.at for look in looks.values()]
            oldest, due = now - min(times), now - interval - forgiven
            most = max(0.0, oldest - interval)
            yield group, Lateness(oldest, most, sum(map(due.__gt__, times)) if most > forgiven else 0)
