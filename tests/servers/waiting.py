"""Waiting for a server to be ready."""

import time
from collections.abc import Callable

from tests.controlplane.processes import Process

STARTS_WITHIN = 60.0  # seconds; a busy machine may take ten


class NeverReady(Exception):
    """A server runs and does not answer."""


def until_ready(process: Process, answers: Callable[[], bool], *not_yet: type[Exception]) -> None:
    """Return when it answers; these exceptions say that it does not yet. Raises ProcessDied, NeverReady."""
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until:
        process.check()
        try:
            if answers():
                return
        except not_yet:
            pass
        time.sleep(0.05)
    raise NeverReady(f"{process.name} is not ready within {STARTS_WITHIN:g} s:\n{process.tail()}")
