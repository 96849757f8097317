"""What holds for every test."""

import asyncio
from collections import Counter

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.cluster.mode import Mode
from tests.servers.every import SERVERS
from tests.servers.shared import needed, wanted
from tests.workers import FilesByMode

# Else pytest-asyncio finds a loop that asyncio makes for it on the spot, keeps it, and nobody ever closes it.
asyncio.set_event_loop(None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Cluster tests run in both modes of the chart, unless one is chosen."""
    parser.addoption("--mode", choices=[*Mode], help="run cluster tests only where the operator works so")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Remember which servers the chosen tests will need: when the first is asked for, all of them start at once."""
    for item in session.items:
        callspec = getattr(item, "callspec", None)
        wanted.update(needed(SERVERS, getattr(item, "fixturenames", ()), callspec.params if callspec else {}))


@pytest.hookimpl(optionalhook=True)  # pytest -p no:xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """With --dist=loadfile, and else xdist's own."""
    return FilesByMode(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Reports tell of marks, since only they get from a worker to the summary."""
    for mark in item.iter_markers("cluster_mode_only"):
        item.user_properties.append((mark.name, str(mark.args[0])))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured, and which ran in one mode only, from whatever process of this run."""
    told = [each for report in terminalreporter.getreports("passed") for each in report.user_properties]
    for name, said in told:
        if name == "measured":
            terminalreporter.write_line(f"measured: {said}")
    for why, count in Counter(said for name, said in told if name == "cluster_mode_only").items():
        terminalreporter.write_line(f"{count} tests in cluster mode only: {why}")
