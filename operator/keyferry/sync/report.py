"""What an ExternalSecret's status says, written when something in it changed and not otherwise."""

from datetime import UTC, datetime

from keyferry.api.conditions import Condition, conditions_after, readable, ready, since
from keyferry.api.external_secret import CreationPolicy, ExternalSecretStatus, TargetStatus
from keyferry.kube import status
from keyferry.kube.client import Json, Kube
from keyferry.kube.watched import Watched, noted
from keyferry.plan.sources import kept
from keyferry.sync.outcome import Deed, Outcome
from keyferry.sync.situation import SYNCED, Situation
from keyferry.sync.store_status import announce
from keyferry.values import Key


async def report(kube: Kube, watched: Watched, key: Key, body: Json, now: Situation | None, outcome: Outcome) -> None:
    """Write the status if anything in it changed, and an event when Ready changed."""
    old = now.status if now else readable(ExternalSecretStatus, body)
    new = status_after(body, old, now, outcome)
    if new == old:
        return
    told = new.model_dump(mode="json", by_alias=True, exclude_none=True)
    written = await status.write(kube, "externalsecrets", key, told, body)
    if written is None:
        return  # deleted, or edited meanwhile: its event comes, or the next look at everything tells
    noted(watched.external_secrets, key, written)
    await announce(kube, "ExternalSecret", written, ready(old.conditions), ready(new.conditions))


def status_after(
    body: Json, old: ExternalSecretStatus, now: Situation | None, outcome: Outcome
) -> ExternalSecretStatus:
    """The status after an outcome. `now` is None where the spec or the store could not be made sense of."""
    generation: int = body["metadata"]["generation"]
    conditions = since(_conditions(old, outcome, generation), old.conditions, datetime.now(UTC))
    spoken = {"observed_generation": generation, "conditions": conditions}
    made = _made(now, outcome) if now and outcome.sources is not None else {}
    return old.model_copy(update={**spoken, **made})


def _made(now: Situation, outcome: Outcome) -> dict[str, object]:
    listed, digest = kept(outcome.sources or ())
    target = TargetStatus(name=now.target_key.name, resource_version=outcome.resource_version or "")
    none = now.spec.target.creation_policy is CreationPolicy.NONE or outcome.deed is Deed.DELETE
    return {
        "synced_generation": now.generation,
        "partial": True if outcome.error and outcome.deed is Deed.WRITE else None,
        "sources": listed,
        "sources_digest": digest,
        "source_revision": now.revision,
        "target": None if none else target,
        "refresh": now.refresh or now.status.refresh,
    }


def _conditions(old: ExternalSecretStatus, outcome: Outcome, generation: int) -> tuple[Condition, ...]:
    if not outcome.suspended:
        return conditions_after(outcome.error, generation=generation, good=SYNCED)
    was = ready(old.conditions)
    return (
        Condition(
            type="Ready",
            status=was.status if was else "Unknown",
            reason="Suspended",
            message="suspended, here or in the store: the Secret stays as it is until suspend is false",
            observed_generation=generation,
        ),
    )
