"""Several replicas of the operator, each a process of its own, as a Deployment with `replicas` has them."""

import contextlib
import itertools
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from keyferry.schedule.shares import shard_of
from tests.cluster.manifests import aws_login
from tests.cluster.team import Team, store_at_rest
from tests.cluster.world import World
from tests.controlplane import DeployedOperator, free_port
from tests.standins.aws import AwsStandIn

TAKE_OVER = timedelta(seconds=15)  # from the end of a replica until another has taken its shards


@dataclass(slots=True)
class Replicas:
    """A world's operator and its like. Those that a test started end with it."""

    world: World
    others: list[DeployedOperator]

    @property
    def all(self) -> list[DeployedOperator]:
        return [self.world.operator, *self.others]

    def leases(self) -> dict[str, str]:
        """Who holds each Lease, by its name."""
        items = self.world.plane.request("GET", leases_of(self.world))["items"]
        return {item["metadata"]["name"]: item["spec"].get("holderIdentity") or "" for item in items}

    def taken(self, shard: int, shards: int) -> datetime:
        """When its holder took this shard, as the holder says."""
        lease = self.world.plane.request("GET", f"{leases_of(self.world)}/keyferry-shard-{shard}-of-{shards}")
        return datetime.fromisoformat(lease["spec"]["acquireTime"])

    def hands(self, shard: int, shards: int) -> int:
        """How often this shard was taken, but for the first time, or given up."""
        change = (self.world.operator.pod.namespace, f"keyferry-shard-{shard}-of-{shards}", "patch", 200)
        return sum((each.namespace, each.name, each.verb, each.code) == change for each in self.world.plane.audit())

    def holders(self) -> dict[str, str]:
        """The holder of each shard, by its Lease's name."""
        return {name: holder for name, holder in self.leases().items() if name.startswith("keyferry-shard-")}

    def holding(self, operator: DeployedOperator) -> int:
        """How many shards a replica holds."""
        return list(self.holders().values()).count(operator.pod.name)

    def worker(self, shard: int, shards: int) -> DeployedOperator:
        """Who holds this shard."""
        holder = self.holders()[f"keyferry-shard-{shard}-of-{shards}"]
        return next(operator for operator in self.all if operator.pod.name == holder)

    def await_shares(self, *shares: int, among: list[DeployedOperator] | None = None) -> None:
        """Return when the replicas hold so many shards each, the most first."""
        operators = among or self.all

        def so() -> bool:
            return sorted(map(self.holding, operators), reverse=True) == list(shares)

        self.world.eventually(so, within=60.0, what=f"shares of {shares}, not {self.holders()}")


@contextlib.contextmanager
def replicas_of(world: World, number: int, *arguments: str) -> Iterator[Replicas]:
    """So many replicas that run, the world's own operator one of them. The others may have more arguments."""
    with contextlib.ExitStack() as ended:
        others = [ended.enter_context(world.operator.replica(free_port(), *arguments)) for _ in range(number - 1)]
        for operator in [world.operator, *others]:
            if not operator.running:
                operator.start()
        for operator in [world.operator, *others]:
            operator.wait_ready()
        yield Replicas(world, others)


def leases_of(world: World) -> str:
    """Where the API server keeps the replicas' Leases."""
    return f"/apis/coordination.k8s.io/v1/namespaces/{world.operator.pod.namespace}/leases"


def team_on_shard(world: World, aws: AwsStandIn, shard: int, shards: int) -> Team:
    """A new team whose store belongs to this shard."""
    namespace = world.namespace()
    stores = (store_at_rest(world.mode, namespace) for _ in itertools.count())
    store = next(store for store in stores if shard_of(store.label, shards) == shard)
    world.apply(aws_login(namespace, aws.admin))
    team = Team(world, aws, namespace, store, {"refresh": {"timeout": "10s"}})
    team.configure()
    return team


def health(operator: DeployedOperator) -> str:
    """What a kubelet's liveness probe would be told."""
    with urllib.request.urlopen(f"{operator.address}/healthz", timeout=5) as answer:  # noqa: S310 - our own
        text: str = answer.read().decode()
    return text
