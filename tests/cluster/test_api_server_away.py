"""The API server is away: nobody dies of it, nothing is lost or done twice, and all is in sync soon after its return.

`KEYFERRY_OUTAGE=300` has it away for five minutes; else it is for so long that every Lease has run out. What was seen
is in pytest's log (`--log-cli-level=info`).
"""

import logging
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from tests.cluster.replicas import Replicas, health, replicas_of
from tests.cluster.team import Team, disband, team_in
from tests.cluster.world import World, world_of
from tests.controlplane import ControlPlane, DeployedOperator, install, render_chart
from tests.controlplane.chart import of_kind

pytest_plugins = ["tests.cluster.fixtures"]

_LOG = logging.getLogger(__name__)

AWAY = float(os.environ.get("KEYFERRY_OUTAGE", "20"))  # seconds
FENCED = 11.0  # from the loss until no replica works: a renewal is good for 8 s, and a call for a moment more
LOOK = 0.5
SOON = 15.0
CALLS_A_SECOND = 5.0  # of one replica: renewals, looks at the Leases, and five watches
LINES_A_MINUTE = 40  # of one replica: each thing that fails, and why, once
MANY = [f"s{number}" for number in range(20)]
CHANGED = MANY[:3]


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A control plane that no other test needs."""
    with ControlPlane() as running:
        yield running


@pytest.fixture(scope="module")
def crds(plane):
    install(plane, of_kind(render_chart(plane.binaries, {}), "CustomResourceDefinition"))


@pytest.fixture
def world(plane, crds, tmp_path_factory) -> Iterator[World]:
    with world_of(plane, tmp_path_factory.mktemp("operator")) as made:
        yield made


@dataclass
class Outage:
    """What was seen while the API server was away."""

    unwell: list[str] = field(default_factory=list)  # what probes found, but for what they should
    asked: Counter[str] = field(default_factory=Counter)  # of the backend, once nobody may work any more
    calls: int = 0  # to the API server, by all replicas
    lines: list[str] = field(default_factory=list)  # of all logs


@contextmanager
def outage(team: Team, replicas: Replicas, *, silent: bool) -> Iterator[Outage]:
    """The API server is away while the context is entered; what it is made for happens after that."""
    seen, logged = Outage(), [len(each.log) for each in replicas.all]
    with team.world.plane.away(silent=silent) as absence:
        began, asked = time.monotonic(), None
        while (lasted := time.monotonic() - began) < AWAY:
            seen.unwell += [f"{lasted:.0f} s: {trouble}" for each in replicas.all if (trouble := unwell(each))]
            if asked is None and lasted > FENCED:
                asked = team.calls()
                for name in CHANGED:
                    team.put(name, "after")
            time.sleep(LOOK)
        seen.asked, seen.calls = team.calls() - (asked or Counter()), absence.calls
        seen.lines = [
            line for each, at in zip(replicas.all, logged, strict=True) for line in each.log[at:].splitlines()
        ]
    yield seen


def unwell(operator: DeployedOperator) -> str:
    """What probes find wrong with a replica; empty where nothing is."""
    try:
        said = health(operator)
    except OSError as failure:
        return f"{operator.pod.name} is not alive: {failure}"
    return "" if said == "ok" and operator.ready() else f"{operator.pod.name} is not ready, or {said}"


@pytest.mark.timeout(AWAY + 240)
@pytest.mark.parametrize(("number", "silent"), [(2, False), (1, True)], ids=["two replicas, gone", "one, silent"])
def test_nothing_is_lost_or_done_twice_and_all_is_in_sync_soon_after(world, aws, number, silent):
    with replicas_of(world, number) as replicas:
        team = team_in(world, aws, refresh={"timeout": "10s"})
        for name in MANY:
            team.put(name, "before")
            team.declare(name, every="1m")
        for name in MANY:
            team.holds(name, value=b"before")
            team.told(name)
        world.calm(team.calls)
        written, pids = team.written(), [each.pid for each in replicas.all]

        with outage(team, replicas, silent=silent) as seen:
            returned = time.monotonic()
        for name in CHANGED:
            team.holds(name, value=b"after", within=SOON)
        team.put("new", "new")
        team.declare("new")
        team.holds("new", value=b"new", within=SOON)
        team.tamper("new", value=b"by hand")
        team.holds("new", value=b"new", within=SOON)
        in_sync = time.monotonic() - returned

        assert seen.unwell == []
        assert [each.pid for each in replicas.all if each.running] == pids
        assert seen.asked == {}
        assert seen.calls < CALLS_A_SECOND * number * AWAY
        assert len(seen.lines) < LINES_A_MINUTE * number * (1 + AWAY / 60)
        team.told("new")
        world.calm(team.calls)
        assert team.written() - written == {"secrets": len(CHANGED) + 2, "externalsecrets/status": len(CHANGED) + 2}
        assert len(replicas.holders()) == 1
        told = f"{seen.calls} calls meanwhile, and in the logs:"
        _LOG.info("in sync %.1f s after %.0f s; %s\n%s", in_sync, AWAY, told, "\n".join(seen.lines))
        disband(team)
