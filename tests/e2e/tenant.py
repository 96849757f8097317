"""A team whose Secrets come from the Secrets of another namespace and from SQLite, declared and watched by kubectl."""

import base64
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keyferry.settings import API_SERVER_AUDIENCE, TOKENS_ANNOTATION
from tests.cluster.manifests import cluster_store, data, external_secret, secret, secret_store, sql_provider
from tests.cluster.world import Manifest
from tests.e2e.place import Place

WITHIN = 60.0  # seconds for what takes one: the machine may be busy
POLL = 0.2
READER, SQL_KEY = "reader", "sql-key"
SOURCE, SQL, SHARED = "source", "own", "shared"
FIRST = {"db": '{"user": "shop", "password": "first"}', "api-a": "a", "api-b": "b", "clock": "0"}


@dataclass(frozen=True, slots=True)
class Kept:
    """All of a Secret that an upgrade must not touch. Shown where it differs, without its values."""

    uid: str
    version: str
    data: Mapping[str, str] = field(repr=False)


@dataclass(slots=True)
class Tenant:
    """A namespace with stores of its own, and one that they read from."""

    place: Place
    shared: bool  # whether there is a ClusterSecretStore, too
    namespace: str = field(default_factory=lambda: f"team-{uuid.uuid4().hex[:8]}")

    @property
    def source(self) -> str:
        return f"{self.namespace}-source"

    @property
    def store(self) -> str:
        """The ClusterSecretStore's name."""
        return f"{SHARED}-{self.namespace}"

    def move_in(self) -> None:
        """The namespaces, which have to be there before an operator for some only."""
        for name in (self.namespace, self.source):
            self.place.kubectl("create", "namespace", name)

    def set_up(self) -> None:
        """Sources, logins, stores; returns when the stores are ready."""
        for key, value in FIRST.items():
            self.put(key, value)
        own, here = f"--namespace={self.namespace}", f"--namespace={self.source}"
        reads = ("--verb=get,list,watch", "--resource=secrets")
        self.place.kubectl("create", "serviceaccount", READER, own)
        self.place.kubectl("annotate", "serviceaccount", READER, f"{TOKENS_ANNOTATION}={API_SERVER_AUDIENCE}", own)
        self.place.kubectl("create", "role", READER, *reads, here)
        bound = (f"--role={READER}", f"--serviceaccount={self.namespace}:{READER}")
        self.place.kubectl("create", "rolebinding", READER, *bound, here)
        self.place.apply(secret(self.namespace, SQL_KEY, {"key": uuid.uuid4().hex * 2}), *self._stores())
        self._await("Ready", "secretstores", "--all")
        if self.shared:
            self.place.kubectl(
                "wait", "--for=condition=Ready", f"clustersecretstores/{self.store}", f"--timeout={WITHIN:g}s"
            )
        self.put_into_sqlite("license", "first")

    def put(self, key: str, value: str) -> None:
        """Give the source a Secret of one key, or a new value of it."""
        self.place.apply(secret(self.source, key, {"value": value}))

    def put_into_sqlite(self, key: str, value: str) -> None:
        options = ("--store", SQL, "--namespace", self.namespace)
        self.place.in_pod("keyferry", "secret", "put", key, *options, stdin=value)

    def declare(self) -> None:
        """ExternalSecrets of every kind that there is; returns when all are in sync."""
        self.place.apply(secret(self.namespace, "merged", {"own": "theirs"}), *self._external_secrets())
        self._await("Ready", "externalsecrets", "--all")

    def holds(self, name: str, key: str, value: str) -> None:
        """Return when the Secret is there and its key has this value."""
        coded = base64.b64encode(value.encode()).decode()
        until = time.monotonic() + WITHIN
        while (self._secret(name).get("data") or {}).get(key) != coded:
            assert time.monotonic() < until, (
                f"Secret {self.namespace}/{name} has not the right {key} after {WITHIN:g} s"
            )
            time.sleep(POLL)

    def looked_at(self, mark: str) -> None:
        """Force a refresh of every ExternalSecret, and return when each was made."""
        everything = ("externalsecrets", "--all", f"--namespace={self.namespace}")
        self.place.kubectl("annotate", *everything, "--overwrite", f"keyferry.dev/refresh={mark}")
        self.place.kubectl("wait", f"--for=jsonpath={{.status.refresh}}={mark}", *everything, f"--timeout={WITHIN:g}s")

    def kept(self) -> dict[str, Kept]:
        """The Secrets that Keyferry writes to, but for the one that a test lets change."""
        found = self.place.read("secrets", f"--namespace={self.namespace}")["items"]
        return {
            each["metadata"]["name"]: Kept(each["metadata"]["uid"], each["metadata"]["resourceVersion"], each["data"])
            for each in found
            if each["metadata"]["name"] not in {"clock", SQL_KEY}
        }

    def conditions(self) -> dict[str, Any]:
        """What each resource says of itself and since when, but for the one that changes."""
        kinds = "secretstores,externalsecrets"
        found = self.place.read(kinds, f"--namespace={self.namespace}")["items"]
        return {
            f"{each['kind']} {each['metadata']['name']}": [
                {name: said for name, said in condition.items() if name != "observedGeneration"}
                for condition in each["status"]["conditions"]
            ]
            for each in found
            if each["metadata"]["name"] != "clock"
        }

    def move_out(self) -> None:
        """Nothing is waited for: the place may have no operator."""
        if self.shared:
            self.place.kubectl("delete", "clustersecretstore", self.store, "--ignore-not-found")
        self.place.kubectl("delete", "namespace", self.namespace, self.source, "--wait=false", "--ignore-not-found")

    def _stores(self) -> list[Manifest]:
        account = {"name": READER, **({"namespace": self.namespace} if self.shared else {})}
        own = {"method": "ServiceAccount", "serviceAccountRef": {"name": READER}}
        made = [
            secret_store(self.namespace, SOURCE, {"kubernetes": {"remoteNamespace": self.source, "auth": own}}),
            secret_store(self.namespace, SQL, sql_provider("team", SQL_KEY)),
        ]
        if self.shared:
            auth = {"method": "ServiceAccount", "serviceAccountRef": account}
            provider = {"kubernetes": {"remoteNamespace": self.source, "auth": auth}}
            served = {"mapping": {"by": "Names"}, "namespaces": {"names": [self.namespace]}}
            made.append(cluster_store(self.store, provider, **served))
        return made

    def _external_secrets(self) -> list[Manifest]:
        def of(name: str, **spec: Any) -> Manifest:
            given = {"store": SOURCE, "kind": "SecretStore", "every": "1s", **spec}
            return external_secret(self.namespace, name, **given)

        value = {"property": "value"}
        plain = [{"secretKey": "value", "remoteRef": {"key": "api-a", **value}}]
        optional = {"secretKey": "more", "remoteRef": {"key": "nowhere"}, "optional": True}
        default = {"secretKey": "tier", "remoteRef": {"key": "nowhere"}, "default": "web"}
        made = [
            of("clock", data=[{"secretKey": "value", "remoteRef": {"key": "clock", **value}}]),
            of("plain", data=plain, every="1h"),
            of("defaults", data=[*plain, optional, default]),
            of("extracted", dataFrom=[{"extract": {"key": "db"}}]),
            of("found", dataFrom=[{"find": {"name": {"regexp": "^api-"}}}]),
            of("once", data=plain, refreshPolicy="CreatedOnce"),
            of("never", data=plain, every="0"),
            of("orphan", data=plain, target={"creationPolicy": "Orphan"}),
            of("merging", data=plain, target={"name": "merged", "creationPolicy": "Merge"}),
            of("deleted", data=plain, target={"deletionPolicy": "Delete"}),
            of("fixed", data=plain, target={"immutable": True}),
            of("typed", data=[{**plain[0], "secretKey": "username"}], target={"type": "kubernetes.io/basic-auth"}),
            of("labelled", data=plain, target={"name": "other", "labels": {"tier": "web"}, "annotations": {"a": "b"}}),
            of("sqlite", store=SQL, data=data([("value", "license")])),
        ]
        if self.shared:
            made.append(of("shared", store=self.store, kind="ClusterSecretStore", data=plain))
        return made

    def _await(self, condition: str, *what: str) -> None:
        self.place.kubectl(
            "wait", f"--for=condition={condition}", *what, f"--namespace={self.namespace}", f"--timeout={WITHIN:g}s"
        )

    def _secret(self, name: str) -> dict[str, Any]:
        """Empty where it is not there."""
        return next(
            iter(
                self.place.read("secrets", f"--field-selector=metadata.name={name}", f"--namespace={self.namespace}")[
                    "items"
                ]
            ),
            {},
        )
