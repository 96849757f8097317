"""Where the operator works: in all namespaces or those that it was told of; on all their Secrets, or those likewise."""

from dataclasses import dataclass

from keyferry.values import Key


@dataclass(frozen=True, slots=True)
class Reach:
    """In namespaces that it was told of, the operator needs no right beyond them: it sees nothing cluster-wide.

    Where Secrets of one are named, it needs none on the others there.
    """

    namespaces: tuple[str, ...] = ()  # none: all there are
    secrets: tuple[Key, ...] = ()  # a namespace that none of them is in: all its Secrets

    @property
    def everywhere(self) -> bool:
        return not self.namespaces

    @property
    def places(self) -> tuple[str, ...]:
        """What to list and to watch, one by one, to see all of what lives in namespaces; "" is every namespace."""
        return self.namespaces or ("",)

    @property
    def secret_places(self) -> tuple[Key, ...]:
        """The same for Secrets: one of them, or with the name "" all of the namespace."""
        return (*(Key(place, "") for place in self.places if not self._narrowed(place)), *self.secrets)

    def touches(self, secret: Key) -> bool:
        """Whether the operator may have to do with it."""
        return secret in self.secrets or not self._narrowed(secret.namespace)

    def _narrowed(self, namespace: str) -> bool:
        return any(secret.namespace == namespace for secret in self.secrets)
