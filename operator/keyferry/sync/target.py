"""Carrying out an outcome on the target Secret."""

from dataclasses import dataclass, field, replace

from keyferry.api.external_secret import CreationPolicy
from keyferry.errors import KubeUnavailable, SyncError, TargetMissing, TargetRejected
from keyferry.kube import secrets
from keyferry.kube.client import Kube
from keyferry.kube.errors import Conflict
from keyferry.kube.secrets import SecretMeta
from keyferry.kube.watched import Watched
from keyferry.render.secret import body
from keyferry.sync.outcome import Deed, Outcome
from keyferry.sync.situation import Situation
from keyferry.values import Key


@dataclass(slots=True)
class Targets:
    """Writes target Secrets. One event loop owns it.

    `unsure`: Secrets that an earlier write may or may not have changed; they are looked at before the next.
    """

    kube: Kube
    watched: Watched
    unsure: set[Key] = field(default_factory=set)

    async def carry_out(self, now: Situation, outcome: Outcome) -> Outcome:
        """Do what was decided; the outcome as it then is: with the Secret's version, or with what went wrong."""
        try:
            match outcome.deed:
                case Deed.KEEP:
                    return outcome
                case Deed.WRITE:
                    written = await self._write(now, outcome)
                    await self._leave_former(now)
                    return replace(outcome, resource_version=written.resource_version)
                case Deed.DELETE:
                    await self._delete(now)
                    return outcome
        except TargetRejected as refused:
            return Outcome(error=refused)
        except SyncError as failed:
            self.unsure.add(now.target_key)
            return Outcome(error=failed)

    async def _write(self, now: Situation, outcome: Outcome) -> SecretMeta:
        at, target = now.target_key, await self._seen(now)
        made = body(now.spec, now.body["metadata"], at.name, outcome.data)
        merged = now.spec.target.creation_policy is CreationPolicy.MERGE
        if target is None and merged:
            raise TargetMissing(f"there is no Secret {at} to merge into: create it, or set creationPolicy to Owner")
        if target is None:
            written = await secrets.create(self.kube, at, made, now.manager)
        elif merged or target.owner == now.key.name or (target.adopt and not target.owner):
            written = await self._update(now, made, target)
        else:
            raise secrets.stranger(at, target)
        self.watched.secrets[at] = written
        return written

    async def _update(self, now: Situation, made: dict[str, object], target: SecretMeta) -> SecretMeta:
        try:
            return await secrets.update(self.kube, now.target_key, made, now.manager, uid=target.uid)
        except Conflict as changed:
            raise KubeUnavailable(f"Secret {now.target_key} was replaced meanwhile; trying again") from changed

    async def _seen(self, now: Situation) -> SecretMeta | None:
        """The target as it was last seen; looked at anew where an earlier write left that in doubt."""
        at = now.target_key
        if at not in self.unsure:
            return now.target
        found = await secrets.look(self.kube, at)
        self.unsure.discard(at)
        if found:
            self.watched.secrets[at] = found
        else:
            self.watched.secrets.pop(at, None)
        return found

    async def _delete(self, now: Situation) -> None:
        target = await self._seen(now)
        if target and target.owner == now.key.name:
            await secrets.delete(self.kube, now.target_key, uid=target.uid)
        elif target and now.spec.target.creation_policy is CreationPolicy.MERGE:
            await secrets.withdraw(self.kube, now.target_key, now.manager, uid=target.uid)

    async def _leave_former(self, now: Situation) -> None:
        """After a change of target.name, take away what was left under the former one."""
        former = now.status.target
        if former is None or former.name == now.target_key.name:
            return
        at = Key(now.key.namespace, former.name)
        left = self.watched.secrets.get(at)
        policy = now.spec.target.creation_policy
        if left and policy is CreationPolicy.OWNER and left.owner == now.key.name:
            await secrets.delete(self.kube, at, uid=left.uid)
        elif left and policy is CreationPolicy.MERGE:
            await secrets.withdraw(self.kube, at, now.manager, uid=left.uid)
