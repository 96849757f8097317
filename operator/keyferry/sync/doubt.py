"""A second look before anything good is lost: what was there and is not any more is not believed at once."""

from dataclasses import dataclass, field

from keyferry.api.external_secret import Source
from keyferry.errors import SecretMissing, SyncError
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

    def checked(self, now: Situation, looked: Looked, outcome: Outcome, moment: float) -> Outcome | None:
        """The outcome; where it would lose something at the first look, only what is wrong; None to look again soon."""
        lost = self._lost(now, looked, outcome)
        if outcome.deed is Deed.KEEP or not lost:
            self._missed.pop(now.key, None)
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
        missing = {asked.key for asked, answer in looked.items() if isinstance(asked, Lookup) and _is_missing(answer)}
        had = self._had.get(now.key, _there(now.status.sources))
        if now.key not in self._had and now.status.sources_digest and any(isinstance(each, Search) for each in looked):
            had = _EVERYTHING
        found = _found(looked)
        same_spec = now.status.observed_generation == now.generation
        lost = (had - found if same_spec else had & missing) | (missing if outcome.error else set())
        return frozenset(lost) or (_EVERYTHING if outcome.deed is Deed.DELETE else frozenset())

    def _believed(self, key: Key, lost: frozenset[str], moment: float) -> bool:
        """Whether each of them was missed long enough ago for the first time in a row."""
        before = self._missed.get(key, {})
        since = self._missed[key] = {each: before.get(each, moment) for each in lost}
        return all(moment - first >= _APART_SECONDS for first in since.values())


def _found(looked: Looked) -> frozenset[str]:
    return frozenset(each.key for answer in looked.values() if not isinstance(answer, SyncError) for each in answer)


def _is_missing(answer: object) -> bool:
    return isinstance(answer, SecretMissing)


def _there(sources: tuple[Source, ...]) -> frozenset[str]:
    return frozenset(source.key for source in sources if source.id)
