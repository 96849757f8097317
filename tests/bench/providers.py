"""From a rotation to the Secret, with each provider, where an interval is all that says how old a copy may grow."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.bench.ground import Ground, quiet_store
from tests.bench.ledger import SECRETS, STATUSES
from tests.bench.rows import Row, row
from tests.bench.sources import LOGIN, SOURCES, Source
from tests.cluster.manifests import cluster_store, external_secret, secret
from tests.cluster.world import path_of
from tests.demo.screen import Screen

EVERY = 10  # seconds
ROTATED = 10
LATE = 2.0  # seconds beyond the interval
_FREE = {"callsPerSecond": 1000, "concurrency": 8}


def rotations(ground: Ground, screen: Screen, size: int) -> Iterator[Row]:
    """One provider after another: the first sync, and rotations at the worst moment, which is just after a refresh."""
    for number, (title, opened) in enumerate(SOURCES.items()):
        namespace = f"provider-{number}"
        ground.world.namespace(namespace)
        with opened(ground, namespace) as source, ground.marked(title), screen.doing(f"{title}: {size:,} of them"):
            asked = _Asked(ground, namespace, quiet_store(namespace), source, tuple(f"s{each}" for each in range(size)))
            rows = [*_of(asked, f"{title}: {size:,} ExternalSecrets, every {EVERY} s")]
            asked.remove()
        yield from rows


def _of(asked: "_Asked", name: str) -> Iterator[Row]:
    yield row(name, "all in sync for the first time, from when they are declared", asked.declare(), "s")
    asked.rotate("second")
    asked.ground.quiet(0.5)
    since = len(asked.ground.ledger)
    took = asked.rotate("third")
    asked.ground.quiet(1.0)
    goal = f"≤ the interval, {EVERY} s, + {LATE:g} s"
    told = f"told by {asked.source.told}" if asked.source.told else ""
    what = f"{ROTATED} rotated just after a refresh: all are written"
    yield row(name, what, took, "s", at_most=EVERY + LATE, goal=goal, note=told)
    yield row(name, "others that were touched", len(asked.writes(SECRETS, since)) - ROTATED, at_most=0)
    yield row(name, "Secrets that do not hold what they should", asked.wrong(), at_most=0)


@dataclass(slots=True)
class _Asked:
    """The ExternalSecrets of one provider's store, each on a secret of its own."""

    ground: Ground
    namespace: str
    store: str
    source: Source
    names: tuple[str, ...]
    values: dict[str, str] = field(default_factory=dict, init=False)

    def declare(self) -> float:
        """Return when all are in sync; how long that took, in seconds."""
        world, since = self.ground.world, len(self.ground.ledger)
        self._put({name: f"first {name}" for name in self.names})
        world.apply(secret(self.namespace, LOGIN, self.source.login))
        spec: dict[str, Any] = {"mapping": {"by": "Names"}, "namespaces": {"names": [self.namespace]}, "refresh": _FREE}
        world.apply(cluster_store(self.store, self.source.provider, **spec))
        began = time.time()
        world.apply_all(self._manifests())
        return max(self._written(what, len(self.names), since) for what in (SECRETS, STATUSES)) - began

    def rotate(self, word: str) -> float:
        """Give a few of the secrets new values; how long it took until all of these were in Secrets, in seconds."""
        since = len(self.ground.ledger)
        self._put({name: f"{word} {name}" for name in self.names[:ROTATED]})
        rotated = time.time()
        return self._written(SECRETS, ROTATED, since) - rotated

    def writes(self, what: str, since: int) -> list[float]:
        """When such was written."""
        return [each.at for each in self.ground.ledger.writes(since, what=what, namespaces=(self.namespace,))]

    def wrong(self) -> int:
        """How many Secrets do not hold what they should."""
        there = self.ground.world.secrets(self.namespace)
        return sum(there.get(name) != {"value": value.encode()} for name, value in self.values.items())

    def remove(self) -> None:
        """Take all of it away."""
        for kind in ("ExternalSecret", "Secret"):
            self.ground.plane.request("DELETE", path_of(kind, self.namespace))
        self.ground.world.delete("ClusterSecretStore", "", self.store)

    def _put(self, values: Mapping[str, str]) -> None:
        self.source.put(values)
        self.values |= values

    def _manifests(self) -> Iterator[dict[str, Any]]:
        aim = {"property": self.source.property} if self.source.property else {}
        for name in self.names:
            data = [{"secretKey": "value", "remoteRef": {"key": name, **aim}}]
            yield external_secret(self.namespace, name, store=self.store, every=f"{EVERY}s", data=data)

    def _written(self, what: str, number: int, since: int) -> float:
        """Return when so many were written; the time of the last."""
        what_for = f"{number} writes of {what} in {self.namespace}"
        self.ground.until(lambda: len(self.writes(what, since)) >= number, what_for, within=180, poll=0.05)
        return max(self.writes(what, since))
