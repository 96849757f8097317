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

    batches: bool  # whether the backend reads several values with one call
    wrong_login: type[SyncError]  # what a backend says whose login is not accepted

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
