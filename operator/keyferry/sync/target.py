"""Carrying out an outcome on the target Secret."""

import hmac
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from secrets import token_bytes

from keyferry.api.external_secret import CreationPolicy
from keyferry.errors import KubeUnavailable, SyncError, TargetMissing
from keyferry.kube import secrets
from keyferry.kube.client import Json, Kube
from keyferry.kube.errors import Conflict
from keyferry.kube.secrets import SecretMeta
from keyferry.kube.watched import Watched
from keyferry.log import about
from keyferry.render.secret import body
from keyferry.sync.outcome import Deed, Outcome
from keyferry.sync.situation import Situation
from keyferry.values import Key

_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Targets:
    """Writes target Secrets. One event loop owns it.

    `fresh()` says whether what was seen of Secrets is what there is. `_applied` tells what was applied last and what
    came of it, as a digest under a key that dies with the process: the same need not be applied again. Where an
    attempt came to nothing yet, it says None.
    """

    kube: Kube
    watched: Watched
    fresh: Callable[[], bool]
    _secret: bytes = field(default_factory=lambda: token_bytes(32), repr=False)
    _applied: dict[Key, tuple[bytes, str] | None] = field(default_factory=dict, repr=False)
    # What each was merged into: an edit that comes between the Secret and the status keeps the latter from telling.
    _merged: dict[Key, set[str]] = field(default_factory=dict)

    async def carry_out(self, now: Situation, outcome: Outcome) -> Outcome:
        """Do what was decided; the outcome as it then is: with the Secret's version, or with what went wrong."""
        try:
            match outcome.deed:
                case Deed.KEEP:
                    return outcome
                case Deed.WRITE:
                    written = await self._write(now, outcome)
                    await self._leave_former(now)
                    return replace(outcome, resource_version=written.resource_version, error=outcome.told)
                case Deed.DELETE:
                    await self._delete(now)
                    await self._leave_former(now)
                    return replace(outcome, error=outcome.told)
        except SyncError as failed:
            return Outcome(error=failed)

    def forget(self, key: Key) -> None:
        """The ExternalSecret is no more."""
        self._applied.pop(key, None)
        self._merged.pop(key, None)

    async def _write(self, now: Situation, outcome: Outcome) -> SecretMeta:
        at, target = now.target_key, self.watched.secrets.get(now.target_key)
        made = body(now.spec, now.body["metadata"], at.name, outcome.data)
        digest = hmac.digest(self._secret, json.dumps([made, at.namespace]).encode(), "sha256")
        if target and self._applied.get(now.key) == (digest, target.resource_version):
            return target
        if target is None and not self._surely_absent(now):
            target = await secrets.look(self.kube, at)
        self._applied.setdefault(now.key, None)
        written = await self._applied_to(now, made, target)
        self._applied[now.key] = (digest, written.resource_version)
        known = self.watched.secrets.get(at)
        if known is None or known.uid != written.uid or written.newer_than(known):
            self.watched.secrets[at] = written
            self.watched.by_owner.put(at, [Key(at.namespace, written.owner)] if written.made else [])
        return written

    def _surely_absent(self, now: Situation) -> bool:
        """Whether the Secret need not be looked for. One that may be our own is: it must not be mistaken."""
        return self.fresh() and now.status.target is None and now.key not in self._applied

    async def _applied_to(self, now: Situation, made: Json, target: SecretMeta | None) -> SecretMeta:
        """Create or update, whichever the target's state and owner allow. Raises TargetNotOwned or TargetMissing."""
        at, merged = now.target_key, now.spec.target.creation_policy is CreationPolicy.MERGE
        if target is None and merged:
            raise TargetMissing(f"there is no Secret {at} to merge into: create it, or set creationPolicy to Owner")
        if target is None:
            return await secrets.create(self.kube, at, made, now.manager)
        if not merged and target.owner != now.key.name and (target.owner or not target.adopt):
            raise secrets.stranger(at, target)
        bring = secrets.merge if merged else secrets.update
        try:
            return await bring(self.kube, at, made, now.manager, uid=target.uid)
        except Conflict as changed:
            raise KubeUnavailable(f"Secret {at} was replaced meanwhile; trying again") from changed

    async def _delete(self, now: Situation) -> None:
        target = self.watched.secrets.get(now.target_key)
        if target and target.made and target.owner == now.key.name:
            await self._remove(
                now, now.target_key, target, "the backend has nothing of it any more (deletionPolicy: Delete)"
            )
        elif target and now.spec.target.creation_policy is CreationPolicy.MERGE:
            await secrets.withdraw(self.kube, now.target_key, now.manager, uid=target.uid)

    async def _remove(self, now: Situation, at: Key, target: SecretMeta, why: str) -> None:
        """Delete a Secret. What is gone tells nobody any more where it went: so the log does."""
        if await secrets.delete(self.kube, at, uid=target.uid):
            fields = about("ExternalSecret", now.key.namespace, now.key.name, "SecretDeleted")
            _LOG.info("ExternalSecret %s: SecretDeleted: Secret %s: %s", now.key, at, why, extra=fields)

    async def _leave_former(self, now: Situation) -> None:
        """After a change of target.name, take away what was left under former ones, by this process or an earlier."""
        policy, at = now.spec.target.creation_policy, now.target_key
        if policy in (CreationPolicy.OWNER, CreationPolicy.MERGE):
            for former in self.watched.by_owner.of(now.key) - {at}:
                meta = self.watched.secrets[former]
                if meta.controller == now.body["metadata"]["uid"]:  # else an orphan, be it of a namesake: meant to stay
                    await self._remove(now, former, meta, f"target.name is {at.name} now")
        if policy is CreationPolicy.MERGE:
            await self._leave_merged(now)

    async def _leave_merged(self, now: Situation) -> None:
        """The same for keys that were merged into a Secret."""
        at, merged = now.target_key, self._merged.setdefault(now.key, set())
        for name in (merged | ({now.status.target.name} if now.status.target else set())) - {at.name}:
            if former := self.watched.secrets.get(Key(at.namespace, name)):
                await secrets.withdraw(self.kube, Key(at.namespace, name), now.manager, uid=former.uid)
            merged.discard(name)
        merged.add(at.name)
