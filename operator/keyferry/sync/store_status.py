"""What a store's status says of it."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from keyferry.api.conditions import MESSAGE_LIMIT, Condition, conditions_after, readable, ready, since
from keyferry.api.store import Granted, StoreAccess, StoreStatus
from keyferry.backends.base import Access
from keyferry.errors import AuthFailed, CredentialsMissing, KubeUnavailable, SyncError
from keyferry.kube import events, status
from keyferry.kube.client import Json, Kube
from keyferry.kube.errors import KubeError
from keyferry.kube.watched import Watched, noted
from keyferry.log import about
from keyferry.plan.snapshot import Snapshot
from keyferry.values import Key, StoreKey

_LOG = logging.getLogger(__name__)
_LONG_WAIT_SECONDS = 30.0
_WAITS = (
    f"calls wait longer than {_LONG_WAIT_SECONDS:g} s for the store's budget: raise refresh.callsPerSecond or "
    "refresh.concurrency if the backend bears more, or lengthen refreshIntervals"
)
_SWEEP_PRECISION = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found out about a store."""

    error: SyncError | None
    checked: bool
    suspended: bool
    access: Access | None
    readable: bool | None
    sweep: Snapshot | None
    offered: int | None
    held: SyncError | None
    longest_wait: float  # seconds, of a call for the store's budget
    listening: SyncError | bool | None  # whether hints come; False: the spec names no source. None: not known yet
    refreshed: str | None = None  # the refresh annotation that was obeyed to the last ExternalSecret; None: as before


async def publish(kube: Kube, watched: Watched, key: StoreKey, body: Json, findings: Findings) -> None:
    """Write the store's status if anything in it changed, and an event when Ready changed to or from True."""
    old = readable(StoreStatus, body)
    new = _status(body, old, findings, datetime.now(UTC))
    if new == old:
        return
    resource = "secretstores" if key.namespace else "clustersecretstores"
    told = new.model_dump(mode="json", by_alias=True, exclude_none=True)
    written = await status.write(kube, resource, Key(key.namespace, key.name), told, body)
    if written is None:
        return  # deleted, or edited meanwhile: its event comes, or the next look at everything tells
    noted(watched.stores, key, written)
    await announce(kube, key.kind, written, ready(old.conditions), ready(new.conditions))


async def announce(kube: Kube, kind: str, body: Json, before: Condition | None, after: Condition | None) -> None:
    """A line in the log when Ready or its reason changes, an event when Ready does; a first success needs none."""
    if after is None or (before and (before.status, before.reason) == (after.status, after.reason)):
        return
    level = logging.INFO if after.status == "True" else logging.WARNING
    namespace, name = body["metadata"].get("namespace") or "", body["metadata"]["name"]
    called, told = "/".join(filter(None, (namespace, name))), f": {after.message}" if after.message else ""
    fields = about(kind, namespace, name, after.reason)
    _LOG.log(level, "%s %s: %s%s", kind, called, after.reason, told, extra=fields)
    if after.status == (before.status if before else "True"):
        return
    try:
        await events.emit(kube, events.event_for(kind, body["metadata"], after, datetime.now(UTC)))
    except (KubeError, KubeUnavailable) as refused:  # the condition says the same; an event is a convenience
        _LOG.warning("no event: %s", refused)


def _status(body: Json, old: StoreStatus, findings: Findings, now: datetime) -> StoreStatus:
    generation: int = body["metadata"]["generation"]
    return StoreStatus(
        observed_generation=generation,
        conditions=since(_conditions(findings, old, generation), old.conditions, now),
        provider=next(iter(body.get("spec", {}).get("provider") or ()), None),
        access=_access(old, findings),
        lacking=findings.access.lacking if findings.access and findings.checked else old.lacking,
        offered=old.offered if findings.offered is None else findings.offered,
        last_sweep_time=_swept(old, findings, now),
        refresh=findings.refreshed or old.refresh,
    )


def _conditions(findings: Findings, old: StoreStatus, generation: int) -> tuple[Condition, ...]:
    if findings.suspended:
        was = ready(old.conditions)
        status_ = was.status if was else "Unknown"
        message = "suspended: the backend is not asked, and Secrets stay as they are, until spec.suspend is false"
        return (
            Condition(
                type="Ready", status=status_, reason="Suspended", message=message, observed_generation=generation
            ),
        )
    listening = _listening(findings, old, generation)
    if findings.error is None and findings.held:
        held = conditions_after(None, generation=generation, good=findings.held.reason, note=str(findings.held))
        return held + listening
    return conditions_after(findings.error, generation=generation, good="Ready", note=_note(findings)) + listening


def _note(findings: Findings) -> str:
    """What to say though all is well."""
    waits = _WAITS if findings.longest_wait > _LONG_WAIT_SECONDS else ""
    return "; ".join(filter(None, (waits, findings.access.notice if findings.access else "")))


def _listening(findings: Findings, old: StoreStatus, generation: int) -> tuple[Condition, ...]:
    """Whether hints come; no word of it where the spec names no source. Without them the interval goes on working."""
    if findings.listening is None:  # what was said stands until more is known: a restart is no news
        return tuple(condition for condition in old.conditions if condition.type == "Listening")
    if isinstance(findings.listening, SyncError):
        why, message = findings.listening.reason, str(findings.listening)[:MESSAGE_LIMIT]
        status_: Literal["True", "False"] = "False"
    elif findings.listening:
        status_, why, message = "True", "Listening", ""
    else:
        return ()
    return (Condition(type="Listening", status=status_, reason=why, message=message, observed_generation=generation),)


def _access(old: StoreStatus, findings: Findings) -> StoreAccess:
    if isinstance(findings.error, AuthFailed | CredentialsMissing):
        return StoreAccess(login=Granted.NO)
    if findings.access is None:
        return old.access  # what is out of reach may have changed its mind; nothing new is known
    reading = old.access.reading if findings.readable is None else _granted(granted=findings.readable)
    return StoreAccess(
        login=Granted.YES,
        listing=_granted(granted=findings.access.listing),
        batching=Granted.UNTRIED if findings.access.batching is None else _granted(granted=findings.access.batching),
        reading=reading,
    )


def _granted(*, granted: bool | None) -> Granted:
    if granted is None:
        return Granted.UNTRIED
    return Granted.YES if granted else Granted.NO


def _swept(old: StoreStatus, findings: Findings, now: datetime) -> str | None:
    """When the catalogue was swept; what is written already stays while it is true to within ten minutes."""
    if findings.sweep is None:
        return old.last_sweep_time
    swept = now - timedelta(seconds=asyncio.get_running_loop().time() - findings.sweep.started)
    if old.last_sweep_time and swept - datetime.fromisoformat(old.last_sweep_time) < _SWEEP_PRECISION:
        return old.last_sweep_time
    return swept.strftime("%Y-%m-%dT%H:%M:%SZ")
