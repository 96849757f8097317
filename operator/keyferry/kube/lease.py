"""Leases: how replicas tell that they live, and who holds which shard.

A replica renews one Lease, its own; its shards' Leases only name it, and are its own for as long as that one lasts. So
the cost is the same for any number of shards, and all are lost at one moment, which is when the API server is lost.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from keyferry.errors import KubeUnavailable
from keyferry.kube.client import MERGE_PATCH, Json, Kube, path
from keyferry.kube.errors import Conflict, NotFound
from keyferry.settings import GROUP, MANAGED_BY

DURATION_SECONDS = 10  # unrenewed for so long, a Lease has expired
REQUEST_SECONDS = 2.0  # what takes longer is tried anew
_COORDINATION = "coordination.k8s.io/v1"
_SHARDS = f"{GROUP}/shards"  # labels: into how many shards the work is cut,
_SHARD = f"{GROUP}/shard"  # and which of them it is; a replica's own Lease has no such label
_ADDRESS = f"{GROUP}/webhook"  # an annotation of a replica's own: where it listens for hints


@dataclass(frozen=True, slots=True)
class Lease:
    """A Lease as it was seen. `shard` is None for a replica's own, which may tell where its webhook listens."""

    name: str
    version: str
    holder: str  # "" when it was released
    shards: int
    shard: int | None
    duration: float
    transitions: int
    address: str = ""

    @classmethod
    def of(cls, item: Json) -> "Lease":
        """From the API server's JSON."""
        metadata, spec = item["metadata"], item.get("spec") or {}
        labels = metadata.get("labels") or {}
        return cls(
            name=metadata["name"],
            version=metadata["resourceVersion"],
            holder=spec.get("holderIdentity") or "",
            shards=int(labels[_SHARDS]),
            shard=int(labels[_SHARD]) if _SHARD in labels else None,
            duration=float(spec.get("leaseDurationSeconds") or DURATION_SECONDS),
            transitions=spec.get("leaseTransitions") or 0,
            address=(metadata.get("annotations") or {}).get(_ADDRESS, ""),
        )


@dataclass(slots=True)
class Lives:
    """Who lives. A replica is dead when its Lease was not renewed for its duration, by our own clock and nobody else's.

    What is seen for the first time is alive: how long it has been as it is, nobody can tell.
    """

    _seen: dict[str, tuple[str, float, float]] = field(
        default_factory=dict
    )  # its Lease's version, since when, how long

    def saw(self, leases: Iterable[Lease], now: float) -> None:
        """Take note of all Leases there are, at this moment or a little earlier."""
        listed = list(leases)
        own = {lease.holder: lease for lease in listed if lease.shard is None and lease.holder}
        named = {lease.holder for lease in listed if lease.holder}
        for gone in self._seen.keys() - named:
            del self._seen[gone]
        for replica in named:
            lease = own.get(replica)
            version, duration = (lease.version, lease.duration) if lease else ("", float(DURATION_SECONDS))
            known = self._seen.get(replica)
            if known is None or version not in ("", known[0]):
                self._seen[replica] = (version, now, duration)

    def ends(self, replica: str) -> float:
        """When it is dead unless it renews until then."""
        _, since, duration = self._seen.get(replica, ("", float("-inf"), 0.0))
        return since + duration

    def next_end(self, now: float) -> float:
        """When somebody may next be found dead; infinity when nobody lives."""
        return min((end for end in map(self.ends, self._seen) if end > now), default=float("inf"))


@dataclass(frozen=True, slots=True)
class Leases:
    """The Leases of all replicas, in one namespace. Every request raises KubeError or KubeUnavailable."""

    kube: Kube  # not the one that the work goes over: a renewal must not queue behind a thousand writes
    namespace: str
    address: str = ""  # host:port where this replica listens for hints, if it does

    async def listed(self) -> list[Lease]:
        """All there are now."""
        answer = await self._send("GET", query={"labelSelector": _SHARDS})
        return [Lease.of(item) for item in answer.get("items") or () if _makes_sense(item)]

    async def renew(self, replica: str, shards: int) -> None:
        """Say that this replica lives, and where it listens."""
        spec = {"holderIdentity": replica, "leaseDurationSeconds": DURATION_SECONDS, "renewTime": _stamp()}
        metadata = {"labels": {_SHARDS: str(shards)}, "annotations": {_ADDRESS: self.address}}
        name = replica_lease(replica)
        try:
            await self._send("PATCH", name, {"metadata": metadata, "spec": spec})
        except NotFound:
            await self._create(name, metadata, {**spec, "acquireTime": _stamp()})

    async def take(self, replica: str, shards: int, shard: int, seen: Lease | None) -> Lease:
        """Make this shard that replica's. Raises Conflict when its Lease is not any more as it was seen."""
        now, transitions = _stamp(), seen.transitions + 1 if seen else 0
        spec = {"holderIdentity": replica, "acquireTime": now, "renewTime": now, "leaseTransitions": transitions}
        name = shard_lease(shard, shards)
        if seen is None:
            labels = {_SHARDS: str(shards), _SHARD: str(shard)}
            return Lease.of(await self._create(name, {"labels": labels}, spec))
        patch = {"metadata": {"resourceVersion": seen.version}, "spec": spec}
        return Lease.of(await self._send("PATCH", name, patch))

    async def release(self, seen: Lease) -> None:
        """Let anybody take this shard. Raises Conflict when its Lease is not any more as it was seen."""
        spec = {"holderIdentity": "", "renewTime": _stamp()}
        await self._send("PATCH", seen.name, {"metadata": {"resourceVersion": seen.version}, "spec": spec})

    async def remove(self, seen: Lease) -> None:
        """Delete a Lease unless it has changed since it was seen. One that is gone, or has, is fine."""
        try:
            await self._send("DELETE", seen.name, {"preconditions": {"resourceVersion": seen.version}})
        except (Conflict, NotFound):
            return

    async def withdraw(self, replica: str) -> None:
        """Say that this replica lives no more. One that never said that it does is fine."""
        try:
            await self._send("DELETE", replica_lease(replica))
        except NotFound:
            return

    async def _create(self, name: str, metadata: Json, spec: Json) -> Json:
        labels = {MANAGED_BY: "keyferry", **metadata["labels"]}
        made = {**metadata, "name": name, "labels": labels}
        body = {"apiVersion": _COORDINATION, "kind": "Lease", "metadata": made, "spec": spec}
        return await self._send("POST", body=body)

    async def _send(
        self, method: str, name: str = "", body: Json | None = None, query: Mapping[str, str] | None = None
    ) -> Json:
        at = path(_COORDINATION, "leases", self.namespace, name)
        content_type = {"content_type": MERGE_PATCH} if method == "PATCH" else {}
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await self.kube.send(method, at, body=body, query=query, **content_type)
        except TimeoutError as slow:
            raise KubeUnavailable(f"{method} {at.what} took longer than {REQUEST_SECONDS:g} s") from slow


def replica_lease(replica: str) -> str:
    """The name of a replica's own Lease."""
    return f"keyferry-replica-{replica}"


def shard_lease(shard: int, shards: int) -> str:
    """The name of a shard's Lease. Another number of shards has other Leases."""
    return f"keyferry-shard-{shard}-of-{shards}"


def _makes_sense(item: Json) -> bool:
    """Whether its labels are as we write them; anybody may label a Lease."""
    labels: dict[str, str] = item["metadata"].get("labels") or {}
    return labels.get(_SHARDS, "").isdecimal() and labels.get(_SHARD, "0").isdecimal()


def _stamp() -> str:
    """For people to read: nobody compares it with a clock."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
