"""When to look, after somebody said that something changed. Pure."""

from dataclasses import dataclass, field

_AFTER_SECONDS = (2.0, 10.0, 30.0)  # after the newest hint: what lists may show a change later than it was made
_LEAST_GAP_SECONDS = 1.0  # from the beginning of one look to that of the next, however many hints come
_FAILED_CAP_SECONDS = 30.0


@dataclass(slots=True)
class Pursuit:
    """What was hinted at and is not settled yet. Times are any clock's, in seconds.

    Hints carry nothing, so they are only counted: they are settled when as much has changed, or after the last look.
    """

    gap: float = _LEAST_GAP_SECONDS
    _hints: int = field(default=0, init=False)
    _hinted_at: float = field(default=float("-inf"), init=False)  # the newest one
    _began: float = field(default=float("-inf"), init=False)  # the newest look
    _looks: int = field(default=0, init=False)  # since the newest hint
    _failures: int = field(default=0, init=False)  # in a row

    @property
    def open(self) -> bool:
        """Whether anything is to be looked after."""
        return self._hints > 0

    def hinted(self, now: float) -> float:
        """Take a hint; returns when to look."""
        self._hints += 1
        self._hinted_at, self._looks = now, 0
        return max(now, self._began + self.gap)

    def begins(self, now: float) -> float | None:
        """A look begins now; where that is too early, returns when it may."""
        if now < self._began + self.gap:
            return self._began + self.gap
        self._began = now
        return None

    def found(self, news: int, *, gap: float, lagging: bool) -> float | None:
        """The look showed so much that is new; returns when to look again, None when all hints are settled.

        `gap`: how far apart looks must be by what this one cost. `lagging`: what was looked at may show a change late.
        """
        self.gap, self._failures = max(_LEAST_GAP_SECONDS, gap), 0
        if self._hinted_at > self._began:  # somebody hinted meanwhile: the next look is the first for that
            return self._began + self.gap
        self._hints -= news
        if self._hints <= 0 or not lagging or self._looks == len(_AFTER_SECONDS):
            self._hints = 0
            return None
        again = self._hinted_at + _AFTER_SECONDS[self._looks]
        self._looks += 1
        return max(again, self._began + self.gap)

    def failed(self) -> float:
        """The look came to nothing; returns when to try again. It does not count: no hint is lost to an outage."""
        self._failures += 1
        pause = min(_FAILED_CAP_SECONDS, 2.0 ** min(self._failures, 10))
        return self._began + max(self.gap, pause)
