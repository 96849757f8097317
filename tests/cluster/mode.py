"""The two ways in which the chart installs the operator: for the whole cluster, or for some namespaces only.

Cluster tests run in both. What a team shares a backend by is a ClusterSecretStore in the one, and in the other a
SecretStore of its own namespace with the same mapping; whatever else a test does is the same.
"""

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest


class Mode(StrEnum):
    """How the chart installs the operator: whether it is told `namespaces`."""

    CLUSTER = "cluster"
    NAMESPACES = "namespaces"


@dataclass(frozen=True, slots=True)
class Reach:
    """Where an operator works: everywhere, or in namespaces mode in so many that are made for it."""

    mode: Mode = Mode.CLUSTER
    namespaces: int = 0

    def names(self) -> list[str]:
        """New names for them, as the chart's `namespaces` has them; none where it works everywhere."""
        number = self.namespaces if self.mode is Mode.NAMESPACES else 0
        return [f"team-{uuid.uuid4().hex[:8]}" for _ in range(number)]


EVERYWHERE = Reach()


class Lacks(StrEnum):
    """What an operator for some namespaces does not have, by design (docs/decisions/161)."""

    CLUSTER_STORES = "ClusterSecretStores, which need cluster-wide rights"
    CALLED_AT_ONCE = "a Namespace's annotation that counts at once, and not within five minutes"
    NEW_NAMESPACES = "namespaces that are made when the operator is there already"


def cluster_mode_only(why: Lacks) -> pytest.MarkDecorator:
    """Marks tests of what the other mode lacks. The run's summary says how many there are, and why."""
    return pytest.mark.cluster_mode_only(why)


def modes_of(metafunc: pytest.Metafunc) -> list[Any]:
    """Those in which a test runs: what it is marked for, of what --mode chooses."""
    chosen = metafunc.config.getoption("--mode")
    modes = [Mode(chosen)] if chosen else list(Mode)
    for mark in metafunc.definition.iter_markers("cluster_mode_only"):
        left_out = pytest.mark.skip(reason=f"in cluster mode only: {mark.args[0]}")
        return [Mode.CLUSTER] if Mode.CLUSTER in modes else [pytest.param(*modes, marks=left_out)]
    return modes


@dataclass(frozen=True, slots=True)
class SharedStore:
    """A store as a team has it that shares a backend with others: what it is in each mode, and where it is found."""

    mode: Mode
    namespace: str
    name: str

    @property
    def kind(self) -> str:
        return "ClusterSecretStore" if self.mode is Mode.CLUSTER else "SecretStore"

    @property
    def place(self) -> tuple[str, str, str]:
        """What the world gets, deletes or annotates it by: kind, namespace and name."""
        return self.kind, "" if self.mode is Mode.CLUSTER else self.namespace, self.name

    @property
    def label(self) -> str:
        """What metrics, traces and shards call it."""
        _, namespace, name = self.place
        return f"{self.kind} {namespace}/{name}" if namespace else f"{self.kind} {name}"

    @property
    def hook(self) -> str:
        """The path of its webhook."""
        _, namespace, name = self.place
        return f"/hooks/{namespace}/{name}" if namespace else f"/hooks/{name}"
