"""A team: a namespace with a backend and a store of its own, as most cluster tests want it."""

import base64
import itertools
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from keyferry.schedule.backoff import next_beat
from tests.cluster.manifests import HOUR, aws_login, aws_provider, external_secret, shared_store
from tests.cluster.mode import Mode, SharedStore
from tests.cluster.world import WITHIN, Manifest, Ready, World
from tests.standins.aws import AwsStandIn
from tests.standins.aws_iam import AccessKey


@dataclass(slots=True)
class Team:
    """A namespace, an AWS account of its own and a shared store by tags between them.

    Nothing that its test does to the backend or the store can be felt by another test.
    """

    world: World
    aws: AwsStandIn
    namespace: str
    store: SharedStore
    spec: dict[str, Any] = field(default_factory=dict)
    queue: str = ""  # the URL of one that tells the store of changes

    def put(self, key: str, value: str | bytes) -> None:
        """Give the backend a secret for this team under that key, or a new value of it."""
        self.aws.put(f"{self.namespace}/{key}", value, {"namespace": self.namespace, "key": key})

    def remove(self, *keys: str) -> None:
        """Delete secrets from the backend for good."""
        for key in keys:
            self.aws.delete(f"{self.namespace}/{key}")

    def declare(self, name: str = "db", **spec: Any) -> None:
        """Apply an ExternalSecret of this store."""
        self.world.apply(external_secret(self.namespace, name, store=self.store, **spec))

    def configure(self, **spec: Any) -> None:
        """Apply the store with more in its spec than there was."""
        self.spec |= spec
        provider = aws_provider(self.aws, self.namespace, queue=self.queue)
        self.world.apply(shared_store(self.store, provider, **self.spec))

    def force(self, value: str, name: str = "") -> None:
        """Set the refresh annotation of an ExternalSecret, or of the store."""
        place = ("ExternalSecret", self.namespace, name) if name else self.store.place
        self.world.annotate(*place, {"keyferry.dev/refresh": value})

    def holds(self, name: str = "db", *, within: float = WITHIN, **data: bytes) -> None:
        """Return when the Secret holds just this."""
        self.world.await_secret(self.namespace, name, data, within=within)

    def says(self, reason: str, name: str = "db", *, telling: str = "", within: float = WITHIN) -> Ready:
        """Return when the ExternalSecret's Ready condition has this reason, and this in its message."""
        return self.world.await_ready(self.namespace, name, reason, telling=telling, within=within)

    def store_says(self, reason: str, *, within: float = WITHIN) -> Ready:
        """Return when the store's Ready condition has this reason."""
        return self.world.await_store(self.store, reason, within=within)

    def store_status(self) -> Manifest:
        """The store's status, empty while it has none."""
        return self.world.status(*self.store.place)

    def listening(self) -> str:
        """The reason of the store's Listening condition, empty where it has none."""
        conditions = self.store_status().get("conditions") or ()
        return next((each["reason"] for each in conditions if each["type"] == "Listening"), "")

    def listens(self, reason: str = "Listening", *, within: float = WITHIN) -> None:
        """Return when the store's Listening condition has this reason."""
        what = f"the store to say of listening: {reason}"
        self.world.eventually(lambda: self.listening() == reason, within=within, what=what)

    def secret(self, name: str = "db") -> Manifest:
        """The Secret as an object. It must be there."""
        found = self.world.get("Secret", self.namespace, name)
        assert found, f"there is no Secret {self.namespace}/{name}"
        return found

    def gone(self, name: str = "db", *, within: float = WITHIN) -> None:
        """Return when there is no such Secret."""
        what = f"Secret {self.namespace}/{name} to be gone"
        self.world.eventually(lambda: not self.world.get("Secret", self.namespace, name), within=within, what=what)

    def tamper(self, name: str = "db", **data: bytes | None) -> None:
        """Change keys of the Secret by hand, or with None remove them."""
        coded = {key: value and base64.b64encode(value).decode() for key, value in data.items()}
        self.world.patch("Secret", self.namespace, name, {"data": coded})

    def refreshes_pass(self, number: int = 2) -> None:
        """Return when ExternalSecrets of this store have been refreshed so often, with a look at what is new."""
        for _ in range(number):
            value = uuid.uuid4().hex
            self.put("clock", value)
            self.declare("clock", every="1s")
            self.holds("clock", value=value.encode())
            self.told("clock")

    def told(self, name: str = "db") -> None:
        """Return when the status tells of the Secret as it is: that is written last, and may be a moment behind."""

        def so() -> bool:
            status = self.world.status("ExternalSecret", self.namespace, name)
            version: str = self.secret(name)["metadata"]["resourceVersion"]
            return bool((status.get("target") or {}).get("resourceVersion") == version)

        self.world.eventually(so, what=f"the status of {self.namespace}/{name} to tell of its Secret")

    def synced(self, count: int, every: str = HOUR) -> None:
        """Declare ExternalSecrets k0, k1, … that hold `first`, and return when they are in sync, and all is quiet."""
        for n in range(count):
            self.put(f"k{n}", "first")
        for n in range(count):
            self.declare(f"k{n}", every=every)
        for n in range(count):
            self.holds(f"k{n}", value=b"first")
        self.world.calm(self.calls_at_rest)

    def calls_at_rest(self) -> int:
        """How many calls the backend had, but for polls: those never rest."""
        return self.aws.calls.count() - self.aws.calls.count("ReceiveMessage")

    def calls(self) -> Counter[str]:
        """What the backend was asked so far."""
        return Counter(self.aws.calls.counts())

    def asked_by(self, key: AccessKey, action: str | None = None) -> bool:
        """Whether the backend was asked anything, or just this, with that access key."""
        return any(call.key_id == key.id for call in self.aws.calls.all(action))

    def written(self) -> Counter[str]:
        """What the operator wrote so far in this team's namespace."""
        return self.world.writes(self.namespace)


def store_at_rest(mode: Mode, namespace: str) -> SharedStore:
    """A store whose hourly rhythm does not beat while its test runs: when it does is in its name."""
    stores = (SharedStore(mode, namespace, f"aws-{uuid.uuid4().hex[:8]}") for _ in itertools.count())
    return next(store for store in stores if rests(store.label))


def rests(store: str) -> bool:
    """Whether what is refreshed every hour is not for the next half."""
    return next_beat(time.monotonic(), 3600.0, store) > time.monotonic() + 1800.0


def team_in(world: World, aws: AwsStandIn, **spec: Any) -> Team:
    """A new team. Its store has the spec given; refresh limits that make a test wait are none of it."""
    namespace = world.namespace()
    team = Team(world, aws, namespace, store_at_rest(world.mode, namespace), {"refresh": {"timeout": "2s"}, **spec})
    world.apply(aws_login(namespace, aws.admin))
    team.configure()
    return team


def disband(team: Team) -> None:
    """Take the team's store and ExternalSecrets away, so that nobody asks a backend that is gone."""
    team.world.clear(team.namespace)
    team.world.delete(*team.store.place)
