"""What the contract suite asks of the place where it tries a backend.

To run the suite over a backend, add a module `subjects/<backend>.py` with a function
`open_subject(folder: Path) -> AbstractAsyncContextManager[Subject]`; nothing else is to be registered.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from keyferry.backends.base import Backend
from keyferry.errors import SyncError
from keyferry.values import Ref


class Subject(Protocol):
    """A backend's other end: seeds secrets past the backend under test, and makes it fail."""

    wrong_login: type[SyncError]  # what a backend says whose login is not accepted
    batches: bool  # whether one call can bring several values
    tags: bool  # whether secrets have any
    restores: bool  # whether what was deleted can be had back

    def as_read(self, data: bytes) -> bytes:
        """The value that a read gives where this was put."""

    def backend(self, *, timeout: float = 10.0, wrong_login: bool = False) -> Backend:
        """A new backend as an operator would make it. The suite closes it."""

    async def put(self, name: str, data: bytes, tags: Mapping[str, str]) -> Ref:
        """Create the secret, or give it a new value and these tags; returns the ref to its current version."""

    async def delete(self, name: str) -> None:
        """Delete the secret for good."""

    def outage(self) -> AbstractAsyncContextManager[None]:
        """While inside, the backend's other end cannot be reached."""

    def silence(self) -> AbstractAsyncContextManager[None]:
        """While inside, the other end takes calls and does not answer them."""

    def spoiled(self, ref: Ref) -> AbstractAsyncContextManager[type[SyncError]]:
        """While inside, this one secret cannot be read; gives the error that says so."""


def later(subject: Subject) -> None:
    """Let so much time pass that the backend tells a change from the one before: most tell every change."""
    if passes := getattr(subject, "later", None):
        passes()


def holds(subject: Subject, data: bytes) -> bool:
    """Whether the backend's other end can hold such a value: all can hold any, but for those that say otherwise."""
    says = getattr(subject, "holds", None)
    return says is None or bool(says(data))
