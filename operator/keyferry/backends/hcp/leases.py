"""When what a dynamic secret made is to be made anew, without anybody remembering when that was. Pure.

Opening a dynamic secret makes new credentials, which hold for its time to live. Time is cut into windows of half of
that, counted from when the secret itself was made. The window is part of the version: within one nothing is opened
again, be it after a restart, by another replica, or for another Secret. What was made in a window, be it at its very
end or its beginning, outlives it by at least another half.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

UNTOLD = 900.0  # seconds, where HCP does not tell how long it holds: the shortest that AWS gives
_DURATION = re.compile(r"((?P<h>[0-9]+)h)?((?P<m>[0-9]+)m)?((?P<s>[0-9]+(\.[0-9]+)?)s)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Window:
    """Seconds since the epoch."""

    begins: float
    ends: float

    def __str__(self) -> str:
        return datetime.fromtimestamp(self.begins, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def window(now: float, made: float, life: float) -> Window:
    """The one that it is now for a secret that was made then, and whose credentials hold for so many seconds."""
    span = (life or UNTOLD) / 2
    begins = made + math.floor((now - made) / span) * span
    return Window(begins, begins + span)


def seconds(duration: object) -> float:
    """Of a duration such as 3600s or 1h30m; 0 where it is none."""
    found = _DURATION.fullmatch(duration) if isinstance(duration, str) else None
    if not found:
        return 0.0
    return float(found["h"] or 0) * 3600 + float(found["m"] or 0) * 60 + float(found["s"] or 0)


def instant(text: object) -> datetime | None:
    """A time as HCP writes it; None where it is none."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found.astimezone(UTC) if found and found.tzinfo else None


def life_of(instance: object) -> float:
    """For how many seconds what was made holds; 0 where that is not told."""
    if not isinstance(instance, dict):
        return 0.0
    made, ends = instant(instance.get("created_at")), instant(instance.get("expires_at"))
    return max(0.0, (ends - made).total_seconds()) if made and ends else seconds(instance.get("ttl"))
