"""What holds for every test."""

import asyncio

import pytest

# Else pytest-asyncio finds a loop that asyncio makes for it on the spot, keeps it, and nobody ever closes it.
asyncio.set_event_loop(None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured, from whatever process of this run."""
    for report in terminalreporter.getreports("passed"):
        for name, said in report.user_properties:
            if name == "measured":
                terminalreporter.write_line(f"measured: {said}")
