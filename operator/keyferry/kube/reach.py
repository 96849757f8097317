"""Which namespaces the operator works in: all of them, or those that it was told of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reach:
    """In namespaces that it was told of, the operator needs no right beyond them: it sees nothing cluster-wide."""

    namespaces: tuple[str, ...] = ()  # none: all there are

    @property
    def everywhere(self) -> bool:
        return not self.namespaces

    @property
    def places(self) -> tuple[str, ...]:
        """What to list and to watch, one by one, to see all of what lives in namespaces; "" is every namespace."""
        return self.namespaces or ("",)
