"""Several replicas of the operator, each a process of its own, as a Deployment with `replicas` has them."""

import contextlib
import itertools
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from keyferry.schedule.shares import shard_of
from tests.cluster.manifests import aws_login
from tests.cluster.team import Team
from tests.cluster.world import World
from tests.controlplane import DeployedOperator, free_port
from tests.standins.aws import AwsStandIn

TAKE_OVER = 15.0  # seconds, from the end of a replica until its work is done by others


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
        namespace = self.world.operator.pod.namespace
        at = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        items = self.world.plane.request("GET", at)["items"]
        return {item["metadata"]["name"]: item["spec"].get("holderIdentity") or "" for item in items}

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

    def await_shares(self, *shares: int, among: list[DeployedOperator] | None = None, within: float = 30.0) -> None:
        """Return when the replicas hold so many shards each, the most first."""
        operators = among or self.all

        def so() -> bool:
            return sorted(map(self.holding, operators), reverse=True) == list(shares)

        self.world.eventually(so, within=within, what=f"shares of {shares}, not {self.holders()}")


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


def team_on_shard(world: World, aws: AwsStandIn, shard: int, shards: int) -> Team:
    """A new team whose store belongs to this shard."""
    names = (f"aws-{number}-{uuid.uuid4().hex[:8]}" for number in itertools.count())
    store = next(name for name in names if shard_of(f"ClusterSecretStore {name}", shards) == shard)
    namespace = world.namespace()
    world.apply(aws_login(namespace, aws.admin))
    team = Team(world, aws, namespace, store, {"refresh": {"timeout": "10s"}})
    team.configure()
    return team


def health(operator: DeployedOperator) -> str:
    """What a kubelet's liveness probe would be told."""
    with urllib.request.urlopen(f"{operator.address}/healthz", timeout=5) as answer:  # noqa: S310 - our own
        text: str = answer.read().decode()
    return text
