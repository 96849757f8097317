"""Before anything good is lost: what was there and is not any more is not believed at once, nor where all has moved."""

from dataclasses import dataclass, field

from keyferry.api.external_secret import Source
from keyferry.errors import DeletionHeld, SecretMissing, SyncError
from keyferry.settings import REFRESH_ANNOTATION
from keyferry.sync.outcome import Deed, Outcome
from keyferry.sync.situation import Situation
from keyferry.values import Key, Looked, Lookup, Search

_EVERYTHING = frozenset({"*"})
_APART_SECONDS = 5.0  # between the first look that misses something and the one that is believed


@dataclass(slots=True)
class Doubt:
    """What each ExternalSecret was made of, and what it has missed since when. Times are the loop's.

    What it was made of before this process is taken from its status. Of a long list that holds only a digest, so that
    one which was not seen unchanged since is taken to have lost something when it changes.
    """

    _had: dict[Key, frozenset[str]] = field(default_factory=dict)
    _missed: dict[Key, dict[str, float]] = field(default_factory=dict)

    def checked(
        self, now: Situation, looked: Looked, outcome: Outcome, moment: float, *, confirmed: bool = False
    ) -> Outcome | None:
        """The outcome; where it would lose something at the first look, only what is wrong; None to look again soon.

        `confirmed`: somebody asked for this look, so what was moved is believed to have been moved on purpose.
        """
        if outcome.deed is Deed.DELETE and now.target is None and now.status.target is None:
            return Outcome(error=outcome.told)  # nothing is left to be lost
        lost = self._lost(now, looked, outcome)
        if outcome.deed is Deed.DELETE and not self._was_there(now, looked):
            outcome = Outcome(error=outcome.error)
        if outcome.deed is Deed.KEEP or not lost:
            self._missed.pop(now.key, None)
        elif now.moved and not confirmed:
            return Outcome(error=_held(lost))
        elif not self._believed(now.key, lost, moment):
            return Outcome(error=outcome.error) if outcome.error else None
        if outcome.deed is Deed.WRITE:
            self._had[now.key] = _there(outcome.sources or ())
        return outcome

    def seen(self, now: Situation, looked: Looked) -> None:
        """It is as its status says; what a digest there stands for is told by what was found."""
        if now.status.sources_digest:
            self._had.setdefault(now.key, _found(looked))

    def forget(self, key: Key) -> None:
        """The ExternalSecret is no more."""
        self._had.pop(key, None)
        self._missed.pop(key, None)

    def _lost(self, now: Situation, looked: Looked, outcome: Outcome) -> frozenset[str]:
        """Keys that were there and are not any more; where something is said to be missing, those that are."""
        missing, had = _missing(looked), self._had_by(now)
        if now.key not in self._had and now.status.sources_digest and any(isinstance(each, Search) for each in looked):
            had = _EVERYTHING
        found = _found(looked)
        lost = (had - found if now.same_spec else had & missing) | (missing if outcome.error else set())
        return frozenset(lost) or (_EVERYTHING if outcome.deed is Deed.DELETE else frozenset())

    def _was_there(self, now: Situation, looked: Looked) -> bool:
        """Whether what is gone was there. What an edited spec asks for may never have been."""
        return now.same_spec or (not _found(looked) and _missing(looked) <= self._had_by(now))

    def _had_by(self, now: Situation) -> frozenset[str]:
        return self._had.get(now.key, _there(now.status.sources))

    def _believed(self, key: Key, lost: frozenset[str], moment: float) -> bool:
        """Whether each of them was missed long enough ago for the first time in a row."""
        before = self._missed.get(key, {})
        since = self._missed[key] = {each: before.get(each, moment) for each in lost}
        return all(moment - first >= _APART_SECONDS for first in since.values())


def _found(looked: Looked) -> frozenset[str]:
    return frozenset(each.key for answer in looked.values() if not isinstance(answer, SyncError) for each in answer)


def _missing(looked: Looked) -> frozenset[str]:
    return frozenset(
        asked.key for asked, answer in looked.items() if isinstance(asked, Lookup) and isinstance(answer, SecretMissing)
    )


def _held(lost: frozenset[str]) -> DeletionHeld:
    named = ", ".join(sorted(repr(key) for key in lost - _EVERYTHING)) or "what it was made of"
    return DeletionHeld(
        f"{named}: the Secret was made of it before the store's address or mapping, or the namespace's annotation, was "
        "changed, and it is not there now; the Secret is kept as it is until that is confirmed: if it is right, set "
        f"the annotation {REFRESH_ANNOTATION} to a new value, here or on the store"
    )


def _there(sources: tuple[Source, ...]) -> frozenset[str]:
    return frozenset(source.key for source in sources if source.id)
