"""An answer "nothing exists" where much existed a moment ago is not believed until somebody says that it is so."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from keyferry.errors import DeletionHeld
from keyferry.settings import REFRESH_ANNOTATION

_MANY = 4  # fewer secrets than this may vanish together without being doubted
_TOGETHER_SECONDS = 120.0  # what was read one by one within this time is taken for one answer


@dataclass(slots=True)
class Guard:
    """Remembers what a store offered, and doubts it when more than half of that is gone at once.

    `baseline`: how many secrets the store offered when the operator last ran; 0 when that is not known.
    """

    store: str
    baseline: int = 0
    _known: frozenset[str] | None = field(default=None, init=False)
    _held: DeletionHeld | None = field(default=None, init=False)
    # Where the catalogue cannot be listed: what was there once, and what the last reads of it said, and when.
    _there: set[str] = field(default_factory=set, init=False)
    _reads: dict[str, tuple[float, bool]] = field(default_factory=dict, init=False)
    _unread: DeletionHeld | None = field(default=None, init=False)

    @property
    def held(self) -> DeletionHeld | None:
        """What to say instead of "missing" while what vanished is not believed."""
        return self._held or self._unread

    def saw(self, ids: frozenset[str]) -> None:
        """Take in what the catalogue lists now."""
        before = self.baseline if self._known is None else len(self._known)
        left = len(ids) if self._known is None else len(ids & self._known)
        self._held, self._unread = self._doubt(before, left), None
        if self._held is None:
            self._known = ids

    def remember(self, ids: Collection[str]) -> None:
        """These were there when the operator last ran, whatever became of them since."""
        self._there.update(ids)

    def read(self, found: Mapping[str, bool], now: float) -> None:
        """Take in what was read without the catalogue, and whether it is there."""
        self._there.update(id_ for id_, there in found.items() if there)
        self._reads |= {id_: (now, there) for id_, there in found.items() if id_ in self._there}
        self._reads = {id_: read for id_, read in self._reads.items() if now - read[0] < _TOGETHER_SECONDS}
        self._unread = self._doubt(len(self._reads), sum(there for _, there in self._reads.values()))

    def confirm(self) -> None:
        """Somebody says that what vanished is gone: believe what is seen next."""
        self._known, self._held, self.baseline = None, None, 0
        self._there, self._reads, self._unread = set(), {}, None

    def _doubt(self, before: int, left: int) -> DeletionHeld | None:
        if before < _MANY or left * 2 >= before:
            return None
        # No numbers: how much others have in a shared store is not for everybody.
        return DeletionHeld(
            f"more than half of what {self.store} offered is gone at once; until that is confirmed, Secrets are kept "
            f"as they are: if it is right, set the annotation {REFRESH_ANNOTATION} of the store to a new value"
        )
