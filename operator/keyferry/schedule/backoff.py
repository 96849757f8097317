"""How long to wait after failures, and when a rhythm beats next. Pure."""

import hashlib
import math
from collections.abc import Callable

_DAY = 86400.0


def after(failures: int, *, base: float, cap: float, chance: Callable[[], float]) -> float:
    """Seconds to wait after the n-th failure in a row: doubling from `base` up to `cap`, then 20 % more or less."""
    steady = min(cap, base * 2.0 ** min(max(failures, 1) - 1, 32))
    return steady * (0.8 + 0.4 * chance())


def next_beat(now: float, interval: float, name: str) -> float:
    """The next beat of a rhythm: the same for all who share its name, apart from those who do not.

    What refreshes together can share one look at the backend; what does not must not herd. Of one name, the beats of
    a minute are among those of half a minute.
    """
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    phase = int.from_bytes(digest, "big") / 2**64 * _DAY
    return (math.floor((now - phase) / interval) + 1) * interval + phase
