"""What holds for every test."""

import asyncio

import pytest

from tests.servers.every import SERVERS
from tests.servers.shared import needed, wanted

# Else pytest-asyncio finds a loop that asyncio makes for it on the spot, keeps it, and nobody ever closes it.
asyncio.set_event_loop(None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Remember which servers the chosen tests will need: when the first is asked for, all of them start at once."""
    for item in session.items:
        callspec = getattr(item, "callspec", None)
        wanted.update(needed(SERVERS, getattr(item, "fixturenames", ()), callspec.params if callspec else {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured, from whatever process of this run."""
    for report in terminalreporter.getreports("passed"):
        for name, said in report.user_properties:
            if name == "measured":
                terminalreporter.write_line(f"measured: {said}")
