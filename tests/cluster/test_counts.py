"""What a thousand ExternalSecrets cost the backend and the API server. Counts, not times: they are exact.

In namespaces mode each team has a store of its own: there it is one team's five hundred.
"""

import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.manifests import HOUR, aws_login, aws_provider, external_secret, shared_store
from tests.cluster.mode import Mode, Reach, SharedStore
from tests.cluster.team import disband, store_at_rest, team_in
from tests.cluster.world import World, world_of
from tests.standins.aws import AwsStandIn

pytest_plugins = ["tests.cluster.fixtures"]

pytestmark = pytest.mark.timeout(600)  # for all of a thousand's first sync on a busy machine; a minute where it is not

TEAMS = {Mode.CLUSTER: 10, Mode.NAMESPACES: 1}
EACH = {Mode.CLUSTER: 100, Mode.NAMESPACES: 500}
PAGE, BATCH = 100, 20  # what AWS gives with one call
STALLS = 3  # a batch that waits for company for a second goes without: so often may the machine have stood still
BEATING = "10s"
LONG = 200.0
CHECK = Counter({"ListSecrets": 1, "BatchGetSecretValue": 1})  # what it costs to find out what a login may do
FREE: dict[str, Any] = {"refresh": {"callsPerSecond": 1000, "timeout": "10s"}}


@dataclass(frozen=True, slots=True)
class Bill:
    """What was asked of the backend, what was written, and how many reconciliations there were."""

    calls: Counter[str]
    writes: Counter[str]
    syncs: int

    def __sub__(self, earlier: "Bill") -> "Bill":
        return Bill(self.calls - earlier.calls, self.writes - earlier.writes, self.syncs - earlier.syncs)


@dataclass(slots=True)
class Thousand:
    """A thousand ExternalSecrets of ten teams on one backend, each with a secret of its own."""

    world: World
    aws: AwsStandIn
    store: SharedStore
    teams: list[str]
    each: int  # how many a team has
    first: Bill | None = None

    @property
    def many(self) -> int:
        """How many there are."""
        return len(self.teams) * self.each

    @property
    def pages(self) -> int:
        """How many calls a look at the catalogue takes."""
        return math.ceil(self.many / PAGE)

    def passes(self, spent: Bill) -> int:
        """How many times all of them were looked at; one or two more may have been looked at once more."""
        return spent.syncs // self.many

    def declare(self, every: str) -> None:
        """Apply them, all with this interval."""
        self.world.apply_all(
            external_secret(team, f"s{number}", store=self.store, every=every)
            for team in self.teams
            for number in range(self.each)
        )

    def bill(self) -> Bill:
        """What everything has cost so far; taken when nothing moves, and again where something did meanwhile."""
        while True:
            self.world.calm(self.aws.calls.count, within=LONG)
            before = self.aws.calls.counts(), self.world.syncs()
            writes = self.world.writes()
            if (self.aws.calls.counts(), self.world.syncs()) == before:
                return Bill(Counter(before[0]), writes, before[1])

    def reads(self, *, since: int = 0, up_to: int | None = None) -> Counter[str]:
        """How often each value was read by these calls; the check of a login asks for none that is there."""
        calls = [call for call in self.aws.calls.all()[since:up_to] if call.action == "BatchGetSecretValue"]
        there = {self.aws.arn(f"{team}/s{number}") for team in self.teams for number in range(self.each)}
        return Counter(id_ for call in calls for id_ in call.ids if id_ in there)

    def refresh(self) -> None:
        """Return when each has been looked at once more."""
        self.world.await_syncs(self.world.syncs() + self.many, within=LONG)

    def rotate(self, names: list[str]) -> None:
        """Rotate them all between two looks at the catalogue."""
        while True:
            with self.aws.secrets.lock:
                if self.looked_wholly():
                    for name in names:
                        self.aws.rotate(name, f"new {name}")
                    return
            time.sleep(0.05)  # it has to be answered for that

    def looked_wholly(self) -> bool:
        """Whether the last look at the catalogue has its answer to the last page. While the lock is held this holds."""
        looks = [call.params for call in self.aws.calls.all("ListSecrets") if call.params.get("MaxResults") != 1]
        pages = [not look.get("NextToken") for look in reversed(looks)].index(True) + 1
        return pages == self.pages and not self.aws.calls.pending


@pytest.fixture(scope="module")
def thousand(plane, crds, tmp_path_factory, mode) -> Iterator[Thousand]:
    """All of them synced by an operator that never saw them before."""
    with AwsStandIn() as aws, world_of(plane, tmp_path_factory.mktemp("operator"), reach=Reach(mode, 2)) as world:
        teams = [world.namespace() for _ in range(TEAMS[mode])]
        made = Thousand(world, aws, store_at_rest(mode, teams[0]), teams, EACH[mode])
        world.apply(aws_login(teams[0], aws.admin))
        world.apply(shared_store(made.store, aws_provider(aws, teams[0]), **FREE))
        for team in made.teams:
            for number in range(made.each):
                aws.put(f"{team}/s{number}", f"old {team}/s{number}", {"namespace": team, "key": f"s{number}"})
        made.declare(HOUR)
        world.start()
        world.await_syncs(made.many, reason="Synced", within=LONG)
        made.first = made.bill()
        yield made


@pytest.fixture(scope="module")
def beating(thousand: Thousand) -> Thousand:
    """The same with an interval so short that a test sees it pass."""
    synced = thousand.world.syncs()
    thousand.declare(BEATING)
    thousand.world.await_syncs(synced + thousand.many, within=LONG)
    return thousand


def test_the_first_sync_costs_one_sweep_a_call_for_every_twenty_values_and_two_writes_each(thousand):
    first = thousand.first

    batches = first.calls["BatchGetSecretValue"] - CHECK["BatchGetSecretValue"]
    assert first.calls["ListSecrets"] == CHECK["ListSecrets"] + thousand.pages
    assert list(thousand.reads(up_to=first.calls.total()).values()) == [1] * thousand.many
    assert 0 <= batches - thousand.many // BATCH <= STALLS
    assert first.writes["secrets"] == thousand.many
    assert first.writes["externalsecrets/status"] == thousand.many
    assert set(first.writes) == {"secrets", "externalsecrets/status", f"{thousand.store.kind.lower()}s/status"}


def test_every_secret_is_there(thousand):
    for team in thousand.teams:
        expected = {f"s{number}": {"value": f"old {team}/s{number}".encode()} for number in range(thousand.each)}
        assert thousand.world.secrets(team) == expected


def test_a_second_start_reads_no_value_and_writes_nothing(thousand):
    thousand.world.operator.stop()
    before = Bill(Counter(thousand.aws.calls.counts()), thousand.world.writes(), 0)

    thousand.world.start()
    thousand.world.await_syncs(thousand.many, within=LONG)
    spent = thousand.bill() - before

    assert spent.writes == {}
    assert spent.calls == CHECK + Counter({"ListSecrets": thousand.pages})


def test_a_refresh_with_nothing_changed_costs_one_sweep_and_writes_nothing(beating):
    before = beating.bill()

    beating.refresh()
    spent = beating.bill() - before

    assert spent.writes == {}
    assert spent.calls == {"ListSecrets": beating.pages * beating.passes(spent)}


def test_ten_rotated_secrets_cost_one_batch_ten_secrets_and_ten_statuses_more(beating):
    names = [f"{team}/s7" for team in beating.teams]
    before = beating.bill()

    beating.rotate(names)
    for team in beating.teams:
        beating.world.await_secret(team, "s7", {"value": f"new {team}/s7".encode()}, within=LONG)
    spent = beating.bill() - before

    assert spent.calls["ListSecrets"] == beating.pages * beating.passes(spent)
    assert 1 <= spent.calls["BatchGetSecretValue"] <= 1 + STALLS
    assert beating.reads(since=before.calls.total()) == dict.fromkeys(map(beating.aws.arn, names), 1)
    assert spent.writes == {"secrets": len(names), "externalsecrets/status": len(names)}


def test_five_hundred_on_one_secret_cost_one_read_a_change(thousand):
    names = [f"e{number}" for number in range(500)]
    with AwsStandIn() as aws:
        team = team_in(thousand.world, aws, **FREE)
        team.store_says("Ready")
        team.put("shared", "first")
        before = team.calls()
        team.world.apply_all(
            external_secret(team.namespace, name, store=team.store, keys={"value": "shared"}, every=BEATING)
            for name in names
        )
        await_everywhere(team, names, "first")
        assert (team.calls() - before)["BatchGetSecretValue"] == 1
        before, written = team.calls(), team.written()

        team.put("shared", "second")
        await_everywhere(team, names, "second")

        assert (team.calls() - before)["BatchGetSecretValue"] == 1
        assert team.written() - written == {"secrets": len(names), "externalsecrets/status": len(names)}
        disband(team)


def await_everywhere(team, names, value):
    """Return when every one of these Secrets holds the value, and nothing moves any more."""
    expected = {name: {"value": value.encode()} for name in names}
    team.world.eventually(lambda: team.world.secrets(team.namespace) == expected, within=LONG)
    team.world.calm(within=LONG)
