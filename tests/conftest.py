"""What holds for every test."""

import asyncio

import pytest

from tests.servers.shared import wanted
from tests.servers.sql import SERVERS

# Else pytest-asyncio finds a loop that asyncio makes for it on the spot, keeps it, and nobody ever closes it.
asyncio.set_event_loop(None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Remember which servers the chosen tests will need: when the first is asked for, all of them start at once."""
    for item in session.items:
        callspec = getattr(item, "callspec", None)
        names = {*getattr(item, "fixturenames", ()), *(map(str, callspec.params.values()) if callspec else ())}
        wanted.update(server for name, server in SERVERS.items() if {name, f"sql_{name}"} & names)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured, from whatever process of this run."""
    for report in terminalreporter.getreports("passed"):
        for name, said in report.user_properties:
            if name == "measured":
                terminalreporter.write_line(f"measured: {said}")
