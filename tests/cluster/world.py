"""A cluster with the operator in it, as tests see it: what they put there, what came of it, and what that cost."""

import base64
import contextlib
import json
import re
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.cluster.mode import EVERYWHERE, Mode, Reach, SharedStore
from tests.controlplane import ControlPlane, DeployedOperator, free_port, install, render_chart, uninstall
from tests.controlplane.api import RequestFailed

T = TypeVar("T")
Manifest = dict[str, Any]

WITHIN = 30.0  # generous: the machine may be busy. What must be quick says so itself.
POLL = 0.05
AT_ONCE = 8

KEYFERRY = "keyferry.dev/v1alpha1"
REFRESH = "keyferry.dev/refresh"
MANAGED_BY = "app.kubernetes.io/managed-by"
APPLY = "application/apply-patch+yaml"
_PLURALS = {
    "Namespace": "namespaces",
    "Secret": "secrets",
    "Event": "events",
    "ExternalSecret": "externalsecrets",
    "SecretStore": "secretstores",
    "ClusterSecretStore": "clustersecretstores",
}
_WRITING = {"create", "update", "patch", "delete", "deletecollection"}
_SAMPLE = re.compile(r"^(?P<name>[a-z_]+)(\{(?P<labels>[^}]*)\})? (?P<value>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Ready:
    """The Ready condition, and whether it is about the newest generation."""

    status: str = ""
    reason: str = ""
    message: str = ""
    current: bool = False


@dataclass(slots=True)
class World:
    """One operator and the namespaces of one module's tests. It takes away with it all that it made."""

    plane: ControlPlane
    operator: DeployedOperator
    data_dir: Path
    mode: Mode = Mode.CLUSTER
    unused: list[str] = field(
        default_factory=list
    )  # in namespaces mode: what the operator works in, and no test has yet
    namespaces: list[str] = field(default_factory=list)
    cluster_stores: set[str] = field(default_factory=set)

    # What tests do

    def namespace(
        self, name: str = "", *, labels: Mapping[str, str] | None = None, annotations: Mapping[str, str] | None = None
    ) -> str:
        """A new namespace; its name. In namespaces mode, without a name, it is one that the operator works in."""
        metadata = {"labels": dict(labels or {}), "annotations": dict(annotations or {})}
        if self.mode is Mode.NAMESPACES and not name:
            assert self.unused, "the operator works in no more namespaces: see Reach"
            name = self.unused.pop()
            self.patch("Namespace", "", name, {"metadata": metadata})
        else:
            name = name or f"team-{uuid.uuid4().hex[:8]}"
            self.plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name, **metadata}})
        self.namespaces.append(name)
        return name

    def shared(self, namespace: str, name: str) -> SharedStore:
        """Where a store of that name is, or would be, by which this namespace shares a backend."""
        return SharedStore(self.mode, namespace, name)

    def apply(self, *manifests: Manifest) -> None:
        """Apply them as somebody's pipeline would: server-side, everything that they do not say is dropped."""
        for manifest in manifests:
            self.plane.request("PATCH", applied_at(manifest), manifest, APPLY)
            if manifest["kind"] == "ClusterSecretStore":
                self.cluster_stores.add(manifest["metadata"]["name"])

    def apply_all(self, manifests: Iterable[Manifest]) -> None:
        """Apply many, several at a time."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self.apply, manifests))

    def patch(self, kind: str, namespace: str, name: str, change: Mapping[str, Any]) -> None:
        """Change an object by hand, with a merge patch."""
        self.plane.request("PATCH", path_of(kind, namespace, name), dict(change), "application/merge-patch+json")

    def annotate(self, kind: str, namespace: str, name: str, annotations: Mapping[str, str | None]) -> None:
        """Set annotations, or with None remove them."""
        self.patch(kind, namespace, name, {"metadata": {"annotations": dict(annotations)}})

    def account(self, namespace: str, name: str, *audiences: str) -> None:
        """A new ServiceAccount that allows tokens for these audiences."""
        annotations = {"keyferry.dev/allow-tokens-for": ",".join(audiences)} if audiences else {}
        made = {"metadata": {"name": name, "annotations": annotations}}
        self.plane.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", made)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object if it is there, and do not wait for what goes with it."""
        try:
            self.plane.request("DELETE", path_of(kind, namespace, name))
        except RequestFailed as refused:
            if refused.code != 404:
                raise

    # What tests see

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """The object, None where there is none."""
        try:
            found: Manifest = self.plane.request("GET", path_of(kind, namespace, name))
        except RequestFailed as refused:
            if refused.code == 404:
                return None
            raise
        return found

    def listed(self, kind: str, namespace: str = "") -> list[Manifest]:
        """Every object of a kind, in one namespace or all."""
        items: list[Manifest] = self.plane.request("GET", path_of(kind, namespace))["items"]
        return items

    def secret(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """What a Secret holds, None where there is none."""
        found = self.get("Secret", namespace, name)
        return None if found is None else contents(found)

    def secrets(self, namespace: str) -> dict[str, dict[str, bytes]]:
        """What every Secret of a namespace holds that the operator made."""
        return {
            each["metadata"]["name"]: contents(each)
            for each in self.listed("Secret", namespace)
            if (each["metadata"].get("labels") or {}).get(MANAGED_BY) == "keyferry"
        }

    def secrets_ever(self, namespace: str, since: str) -> list[dict[str, bytes]]:
        """What Secrets of a namespace have held after each write since that resourceVersion, be it for a moment."""
        at = path_of("Secret", namespace)
        events = self.plane.watch(f"{at}?watch=1&timeoutSeconds=1&resourceVersion={since}")
        return [contents(event["object"]) for event in events]

    def status(self, kind: str, namespace: str, name: str) -> Manifest:
        """An object's status, empty while it has none."""
        found = self.get(kind, namespace, name)
        return (found or {}).get("status") or {}

    def ready(self, namespace: str, name: str, kind: str = "ExternalSecret") -> Ready:
        """The Ready condition of an ExternalSecret or store."""
        return ready_of(self.get(kind, namespace, name) or {})

    def eventually(self, check: Callable[[], T], *, within: float = WITHIN, what: str = "") -> T:
        """What `check` answers as soon as that is true. Fails with how things stand, in which there are no values."""
        until = time.monotonic() + within
        while not (answer := check()):
            if time.monotonic() > until:
                raise AssertionError(f"not within {within:g} s: {what or 'see the line above'}\n{self.described()}")
            time.sleep(POLL)
        return answer

    def await_secret(self, namespace: str, name: str, data: Mapping[str, bytes], *, within: float = WITHIN) -> None:
        """Return when the Secret holds just this. What differs is told by its keys."""

        def so() -> bool:
            return self.secret(namespace, name) == data

        try:
            self.eventually(so, within=within, what=f"Secret {namespace}/{name} to be as it should")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{_difference(self.secret(namespace, name), data)}") from None

    def await_ready(
        self,
        namespace: str,
        name: str,
        reason: str = "Synced",
        *,
        telling: str = "",
        within: float = WITHIN,
        kind: str = "ExternalSecret",
    ) -> Ready:
        """The Ready condition, as soon as it is of the newest generation, has this reason and tells this."""
        now = Ready()

        def said() -> bool:
            nonlocal now
            now = self.ready(namespace, name, kind)
            return now.current and now.reason == reason and telling in now.message

        told = f" and {telling!r}" if telling else ""
        self.eventually(said, within=within, what=f"{kind} {namespace}/{name} to say {reason}{told}")
        return now

    def await_store(self, store: SharedStore, reason: str, *, telling: str = "", within: float = WITHIN) -> Ready:
        """The same of a store."""
        kind, namespace, name = store.place
        return self.await_ready(namespace, name, reason, telling=telling, within=within, kind=kind)

    def await_version(self, namespace: str, name: str, good: Callable[[str], bool]) -> None:
        """Return when the version of all that an ExternalSecret is made of is so: told after the Secret is written."""

        def so() -> bool:
            sources = self.status("ExternalSecret", namespace, name).get("sources") or ()
            return bool(sources) and all(good(each["version"]) for each in sources)

        self.eventually(so, what=f"the status of {namespace}/{name} to name another version")

    def described(self) -> str:
        """How things stand: every condition, and the end of the log."""
        lines = [
            f"  {kind} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}: {ready_of(item)}"
            for kind in ("ClusterSecretStore", "SecretStore", "ExternalSecret")
            for item in self.listed(kind)
            if item["metadata"].get("namespace", "") in {"", *self.namespaces}
        ]
        shown = lines if len(lines) < 30 else [*lines[:30], f"  … and {len(lines) - 30} more"]
        return "\n".join([*shown, "the operator's last words:", *self.operator.log.splitlines()[-15:]])

    # What it cost

    def writes(self, namespace: str = "") -> Counter[str]:
        """How often the operator has written secrets, externalsecrets/status, events, …, answered well or not.

        In one namespace stores do not count: in cluster mode they are in none.
        """
        return Counter(
            "/".join(part for part in (event.resource, event.subresource) if part)
            for event in self.plane.audit()
            if event.user == self.operator.user
            and event.verb in _WRITING
            and namespace in {"", event.namespace}
            and not (namespace and event.resource == "secretstores")
            and event.resource != "leases"  # a heartbeat
        )

    def reads(self) -> Counter[str]:
        """What the operator has read so far, by verb and resource."""
        return Counter(
            f"{event.verb} {event.resource}"
            for event in self.plane.audit()
            if event.user == self.operator.user and event.verb not in _WRITING and event.resource != "leases"
        )

    def metrics(self) -> str:
        """All metrics, as Prometheus gets them."""
        with urllib.request.urlopen(f"{self.operator.address}/metrics", timeout=10) as answer:  # noqa: S310 - our own
            text: str = answer.read().decode()
        return text

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry these labels, since the operator's last start."""
        return sum(
            float(sample["value"])
            for sample in _SAMPLE.finditer(self.metrics())
            if sample["name"] == name and labels.items() <= dict(_LABEL.findall(sample["labels"] or "")).items()
        )

    def syncs(self, **labels: str) -> int:
        """How many reconciliations of ExternalSecrets there were since the operator's last start."""
        return int(self.metric("keyferry_syncs_total", kind="ExternalSecret", **labels))

    def calm(self, *counters: Callable[[], object], within: float = WITHIN) -> None:
        """Return when for a second the operator has neither synced nor sent a request, nor has any counter moved.

        Its Leases' requests never rest.
        """
        name = "keyferry_kubernetes_requests_total"
        requests = lambda: self.metric(name) - self.metric(name, resource="leases")  # noqa: E731 - those never rest
        self.still(self.syncs, requests, *counters, within=within)

    def still(self, *counters: Callable[[], object], for_seconds: float = 1.0, within: float = WITHIN) -> None:
        """Return when no counter has moved for a while."""
        last, since, until = None, time.monotonic(), time.monotonic() + within
        while time.monotonic() - since < for_seconds:
            now = tuple(counter() for counter in counters)
            if now != last:
                last, since = now, time.monotonic()
            assert time.monotonic() < until, f"no calm within {within:g} s\n{self.described()}"
            time.sleep(POLL)

    def await_syncs(self, number: int, *, within: float = WITHIN, **labels: str) -> None:
        """Return when the operator has reconciled ExternalSecrets so many times since its last start."""
        self.eventually(lambda: self.syncs(**labels) >= number, within=within, what=f"{number} reconciliations")

    # Beginning and end

    def restart(self) -> None:
        """Stop the operator as a kubelet does, and start it again."""
        self.operator.stop()
        self.start()

    def start(self) -> None:
        """Start the operator, and return when it is ready."""
        self.operator.start()
        self.operator.wait_ready()

    def close(self) -> None:
        """Take away everything: another module's operator would see it, too."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._take_away, [*self.namespaces, *self.unused]))
        for store in self.cluster_stores:
            self.delete("ClusterSecretStore", "", store)

    def _take_away(self, namespace: str) -> None:
        self.clear(namespace)
        self.delete("Namespace", "", namespace)

    def clear(self, namespace: str) -> None:
        """Delete a namespace's own resources of ours."""
        for kind in ("ExternalSecret", "SecretStore"):
            self.plane.request("DELETE", path_of(kind, namespace))


@contextlib.contextmanager
def world_of(
    plane: ControlPlane,
    folder: Path,
    values: Mapping[str, Any] | None = None,
    run: Callable[[ControlPlane, list[Manifest]], DeployedOperator] = DeployedOperator,
    *,
    reach: Reach = EVERYWHERE,
) -> Iterator[World]:
    """A world whose operator is installed by the chart, under a release of its own, and not started."""
    release = f"keyferry-{uuid.uuid4().hex[:6]}"
    unused = reach.names()
    own = {
        "namespaces": unused,
        "crds": {"install": False},
        "listen": {"port": free_port()},
        "dataDir": str(folder),
        "log": {"format": "text"},
        "allowedEndpoints": ["http://127.0.0.1:*"],
    }
    manifests = render_chart(plane.binaries, own | dict(values or {}), release=release, namespace=release)
    install(plane, manifests)
    with contextlib.ExitStack() as ended:
        ended.callback(plane.request, "DELETE", path_of("Namespace", "", release))
        ended.callback(uninstall, plane, manifests)
        world = World(plane, run(plane, manifests), folder, reach.mode, unused)
        ended.callback(world.close)
        ended.enter_context(world.operator)  # it ends first, and has not to follow all that is taken away
        yield world


def path_of(kind: str, namespace: str = "", name: str = "") -> str:
    """Where the API server keeps an object, or all of a kind."""
    root = "/api/v1" if kind in {"Namespace", "Secret", "Event"} else f"/apis/{KEYFERRY}"
    return "/".join(
        [root, *(["namespaces", namespace] if namespace else []), _PLURALS[kind], *([name] if name else [])]
    )


def applied_at(manifest: Manifest) -> str:
    """Where to send it so that it is applied as by a pipeline."""
    metadata = manifest["metadata"]
    at = path_of(manifest["kind"], metadata.get("namespace", ""), metadata["name"])
    return f"{at}?fieldManager=pipeline&force=true"


def contents(secret: Manifest) -> dict[str, bytes]:
    """What a Secret holds."""
    return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}


def ready_of(item: Manifest) -> Ready:
    """The Ready condition of an object; an empty one where it has none."""
    status = item.get("status") or {}
    for each in status.get("conditions") or ():
        if each["type"] == "Ready":
            current = status.get("observedGeneration") == item["metadata"]["generation"]
            return Ready(each["status"], each["reason"], each["message"], current)
    return Ready()


def _difference(found: Mapping[str, bytes] | None, wanted: Mapping[str, bytes]) -> str:
    if found is None:
        return "there is no such Secret"
    other = sorted(key for key in found.keys() & wanted.keys() if found[key] != wanted[key])
    told = {"missing": sorted(wanted.keys() - found), "too much": sorted(found.keys() - wanted), "different": other}
    return json.dumps({what: keys for what, keys in told.items() if keys})
