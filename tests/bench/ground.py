"""All that the scenarios stand on: a Kubernetes API, the stand-in, the operator, and groups of ExternalSecrets."""

import contextlib
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from keyferry.schedule.backoff import next_beat
from tests.bench.account import value_of
from tests.bench.backend import REGION, Account, Backend
from tests.bench.ledger import SECRETS, STATUSES, Ledger
from tests.bench.rows import Row
from tests.bench.usage import Sampler, Usage, usage
from tests.cluster.manifests import cluster_store, external_secret, secret
from tests.cluster.world import World, path_of
from tests.controlplane import Binaries, ControlPlane, DeployedOperator, free_port, install, render_chart

T = TypeVar("T")

PREFIX = "bench"
AT_REST = "20h"
_LOGIN = {"name": "aws-login", "namespace": "bench-login"}
_FREE = {"callsPerSecond": 1000, "concurrency": 8}  # what is measured is the operator, not its budget
_POLL = 0.02


class TooSlow(Exception):
    """Something did not happen in time; the text says what, and how things stand."""


@dataclass(frozen=True, slots=True)
class Group:
    """ExternalSecrets with a key each (or one for all), of one store, which has an account of its own."""

    account: Account
    store: str
    namespaces: tuple[str, ...]
    names: tuple[str, ...]  # in each namespace
    keys: int = 1  # that each reads; 0: one, that all share

    @property
    def size(self) -> int:
        return len(self.namespaces) * len(self.names)

    @property
    def pages(self) -> int:
        """Calls that a look at the catalogue takes."""
        return -(-len(self.account.secrets) // 100)

    def manifests(self, every: str) -> Iterator[dict[str, Any]]:
        """Every ExternalSecret, to be refreshed so often."""
        for namespace in self.namespaces:
            for name in self.names:
                yield external_secret(namespace, name, store=self.store, every=every, keys=reads(name, self.keys))

    def held(self, namespace: str, name: str, versions: Mapping[str, int]) -> dict[str, bytes]:
        """What a Secret should hold, where secrets of the account were rotated so often."""
        named = {key: f"{namespace}/{remote}" for key, remote in reads(name, self.keys).items()}
        return {key: value_of(each, versions.get(each, 0)).encode() for key, each in named.items()}


def reads(name: str, keys: int) -> dict[str, str]:
    """The Secret's keys, and whose values they get, of an ExternalSecret of this name."""
    if keys > 1:
        return {f"value-{number}": f"{name}-{number}" for number in range(keys)}
    return {"value": name if keys else "shared"}


@dataclass(slots=True)
class Ground:
    """Everything that runs, and what was found out so far."""

    plane: ControlPlane
    backend: Backend
    operator: DeployedOperator
    world: World
    ledger: Ledger
    sampler: Sampler
    patience: float
    rows: list[Row] = field(default_factory=list)
    marks: list[tuple[float, float, str]] = field(default_factory=list)  # from, to, scenario: for the plots
    groups: list[Group] = field(default_factory=list)

    def group(
        self,
        name: str,
        size: int,
        *,
        namespaces: int = 1,
        keys: int = 1,
        batching: bool = True,
    ) -> Group:
        """Namespaces, an account with secrets for them, and a store between the two; nothing is declared yet.

        `keys`: how many each reads; 0: one, that all share. `batching`: whether a call may ask for several.
        """
        places = tuple(f"{name}-{number}" for number in range(namespaces))
        names = tuple(f"s{number}" for number in range(size // namespaces))
        remotes = dict.fromkeys(remote for each in names for remote in reads(each, keys).values())
        held = [
            (f"{place}/{key}", {"prefix": PREFIX, "namespace": place, "key": key})
            for place in places
            for key in remotes
        ]
        account = self.backend.open(name, held, batching=batching)
        made = Group(account, quiet_store(name), places, names, keys)
        for place in places:
            self.world.namespace(place)
        self._login()
        self.world.apply(cluster_store(made.store, _provider(account), prefix=PREFIX, refresh=_FREE))
        self.groups.append(made)
        return made

    def declare(self, group: Group, every: str) -> None:
        """Apply all of a group's ExternalSecrets."""
        self.world.apply_all(group.manifests(every))

    def start(self) -> float:
        """Start the operator; the time when it was started."""
        at = time.time()
        self.operator.start()
        return at

    def usage(self) -> Usage:
        """What the operator uses now."""
        return usage(self.operator.pid)

    def until(self, holds: Callable[[], T], what: str, *, within: float, poll: float = _POLL) -> T:
        """What it answers as soon as that is true."""
        limit = time.monotonic() + within * self.patience
        while not (answer := holds()):
            if time.monotonic() > limit:
                raise TooSlow(f"not within {within * self.patience:g} s: {what}\n{self._state()}")
            if not self.operator.running:
                raise TooSlow(f"the operator has ended before this: {what}\n{self._state()}")
            time.sleep(poll)
        return answer

    def written(self, group: Group, what: str, number: int, since: int, *, within: float) -> float:
        """Return when so many were written in a group's namespaces; the time of the last."""
        self.until(
            lambda: len(self.ledger.writes(since, what=what, namespaces=group.namespaces)) >= number,
            f"{number} writes of {what} in {group.namespaces[0]}, …",
            within=within,
            poll=0.1,
        )
        return max(each.at for each in self.ledger.writes(since, what=what, namespaces=group.namespaces))

    def synced(self, group: Group, since: int, *, within: float) -> float:
        """Return when each of a group has a new Secret and a new status; the time of the last write."""
        return max(self.written(group, what, group.size, since, within=within) for what in (SECRETS, STATUSES))

    def quiet(self, seconds: float = 1.0, *, within: float = 60.0) -> None:
        """Return when the operator has written nothing for a while."""
        self.until(
            lambda: not (writes := self.ledger.writes()) or writes[-1].at < time.time() - seconds,
            "that nothing is written",
            within=within,
            poll=0.1,
        )

    def wrong(self, group: Group, versions: Mapping[str, int] | None = None) -> int:
        """How many Secrets do not hold what the account holds; `versions` of secrets that were rotated."""
        number = 0
        for namespace in group.namespaces:
            there = self.world.secrets(namespace)
            number += sum(there.get(name) != group.held(namespace, name, versions or {}) for name in group.names)
        return number

    def ready(self, group: Group) -> int:
        """How many of a group say that they are in sync."""
        return sum(
            each["status"] == "True"
            for namespace in group.namespaces
            for item in self.world.listed("ExternalSecret", namespace)
            for each in (item.get("status") or {}).get("conditions") or ()
            if each["type"] == "Ready"
        )

    def remove(self, group: Group) -> None:
        """Take a group's ExternalSecrets away, and their Secrets, before Kubernetes has to collect them."""
        for kind in ("ExternalSecret", "Secret"):
            for namespace in group.namespaces:
                self.plane.request("DELETE", path_of(kind, namespace))

    @contextlib.contextmanager
    def marked(self, scenario: str) -> Iterator[None]:
        """What runs inside is this scenario, for the plots."""
        began = time.time()
        try:
            yield
        finally:
            self.marks.append((began, time.time(), scenario))

    def _login(self) -> None:
        if "bench-login" not in self.world.namespaces:
            self.world.namespace("bench-login")
            self.world.apply(secret(_LOGIN["namespace"], _LOGIN["name"], {"id": "AKIABENCH", "secret": "made-up"}))

    def _state(self) -> str:
        ready = "\n".join(f"  {group.store}: {self.ready(group)} of {group.size} in sync" for group in self.groups)
        return "\n".join([ready, "the operator's last words:", *self.operator.log.splitlines()[-12:]])


def quiet_store(name: str) -> str:
    """A store's name whose rhythm does not beat within an hour, at an interval of AT_REST."""
    while True:
        store = f"{name}-{uuid.uuid4().hex[:6]}"
        if next_beat(time.monotonic(), 20 * 3600.0, f"ClusterSecretStore {store}") > time.monotonic() + 3600:
            return store


@contextlib.contextmanager
def prepared(found: Binaries, patience: float) -> Iterator[Ground]:
    """Start everything but the operator, which is installed as its chart says. Leaving ends all and leaves nothing."""
    with contextlib.ExitStack() as ended:
        data = Path(ended.enter_context(tempfile.TemporaryDirectory(prefix="keyferry-bench-")))
        plane = ended.enter_context(ControlPlane(found))
        backend = ended.enter_context(Backend(data))
        manifests = render_chart(found, {"listen": {"port": free_port()}, "dataDir": str(data)})
        install(plane, manifests)
        operator = ended.enter_context(DeployedOperator(plane, manifests))
        sampler = ended.enter_context(Sampler(lambda: operator.pid if operator.running else None))
        ledger = Ledger(plane.folder / "audit.log", operator.user)
        yield Ground(plane, backend, operator, World(plane, operator, data), ledger, sampler, patience)


def _provider(account: Account) -> dict[str, Any]:
    key = {"accessKeyIdSecretRef": {**_LOGIN, "key": "id"}, "secretAccessKeySecretRef": {**_LOGIN, "key": "secret"}}
    return {"aws": {"region": REGION, "endpoint": account.url, "auth": {"accessKey": key}}}
