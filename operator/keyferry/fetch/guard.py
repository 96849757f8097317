"""An answer "nothing exists" where much existed a moment ago is not believed until somebody says that it is so."""

from dataclasses import dataclass, field

from keyferry.errors import DeletionHeld
from keyferry.settings import REFRESH_ANNOTATION

_MANY = 4  # fewer secrets than this may vanish together without being doubted


@dataclass(slots=True)
class Guard:
    """Remembers what a store offered, and doubts it when more than half of that is gone at once.

    `baseline`: how many secrets the store offered when the operator last ran; 0 when that is not known.
    """

    store: str
    baseline: int = 0
    _known: frozenset[str] | None = field(default=None, init=False)
    _held: DeletionHeld | None = field(default=None, init=False)

    @property
    def held(self) -> DeletionHeld | None:
        """What to say instead of "missing" while what vanished is not believed."""
        return self._held

    def saw(self, ids: frozenset[str]) -> None:
        """Take in what exists now."""
        before = self.baseline if self._known is None else len(self._known)
        left = len(ids) if self._known is None else len(ids & self._known)
        if before >= _MANY and left * 2 < before:
            self._held = DeletionHeld(
                f"{self.store} offered {before} secrets and only {left} of them are left; until that is confirmed, "
                f"Secrets are kept as they are: if it is right, set the annotation {REFRESH_ANNOTATION} of the store "
                "to a new value"
            )
            return
        self._known, self._held = ids, None

    def confirm(self) -> None:
        """Somebody says that what vanished is gone: believe what is seen next."""
        self._known, self._held, self.baseline = None, None, 0
