"""A namespace that is deleted is forgotten, with all that was in it: another of its name has nothing of it."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.mode import Lacks, cluster_mode_only
from tests.cluster.sqlite import sqlite_store
from tests.cluster.team import Team

pytest_plugins = ["tests.cluster.fixtures"]

CALLED = "keyferry.dev/namespace"
DELETED_WITHIN = 60.0  # Kubernetes takes its time


@cluster_mode_only(Lacks.NEW_NAMESPACES)
def test_a_namespace_made_again_under_its_name_has_nothing_of_the_former_one(team):
    world = team.world
    for called, key in (("former", "db"), ("former", "license"), ("latter", "db")):
        team.aws.put(f"{called}/{key}", f"the {called}'s {key}", {"namespace": called, "key": key})
    name = world.namespace(annotations={CALLED: "former"})
    tenant = Team(world, team.aws, name, team.store, team.spec)
    world.apply(*sqlite_store(name))
    for each in ("db", "license"):
        tenant.declare(each)
        tenant.holds(each, value=f"the former's {each}".encode())

    world.delete("Namespace", "", name)
    world.eventually(lambda: not world.get("Namespace", "", name), within=DELETED_WITHIN)

    world.eventually(lambda: world.metric("keyferry_queue_keys", kind="ExternalSecret") == 0)
    world.eventually(lambda: name not in world.metrics(), what=f"the metrics of {name}'s store to be gone")
    with told_of_namespaces_late(team):
        world.namespace(name, annotations={CALLED: "latter"})
        made = world.get("Namespace", "", name)["metadata"]["resourceVersion"]
        for each in ("db", "license"):
            tenant.declare(each)
    tenant.says("RemoteSecretMissing", "license")
    tenant.holds("db", value=b"the latter's db")
    assert world.secrets_ever(name, made) == [{"value": b"the latter's db"}]


@contextmanager
def told_of_namespaces_late(team: Team) -> Iterator[None]:
    """What happens in this context the operator learns at once when it ends, but of namespaces it learns last.

    Meanwhile it stands still, and much else is to be told of namespaces before.
    """
    os.kill(team.world.operator.pid, signal.SIGSTOP)
    try:
        for number in range(200):
            team.world.annotate("Namespace", "", team.namespace, {"keyferry.dev/number": str(number)})
        yield
    finally:
        os.kill(team.world.operator.pid, signal.SIGCONT)
