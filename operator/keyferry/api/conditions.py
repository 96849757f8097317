"""Conditions as kstatus reads them: `kubectl wait`, Flux and Argo CD understand these without knowing Keyferry."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

from keyferry.api.model import Model
from keyferry.errors import Retry, SyncError

UNSEEN = -1  # the observedGeneration of what nobody has looked at: no object has such a generation
MESSAGE_LIMIT = 1024  # characters: a message is for a terminal


class Condition(Model):
    """One aspect of the state, with its reason."""

    type: str = Field(
        description="Ready; Reconciling while it may heal by itself; Stalled when only an edit heals it; Listening "
        "where a store names who hints."
    )
    status: Literal["True", "False", "Unknown"] = Field(description="Whether the condition holds.")
    reason: str = Field(description="One CamelCase word for programs; the page of the kind lists them all.")
    message: str = Field("", description="The cause and the remedy, for people. Never a value.")
    observed_generation: int = Field(0, description="The generation that this was found at.")
    last_transition_time: str = Field("", description="When the status last changed.")


def conditions_after(error: SyncError | None, *, generation: int, good: str, note: str = "") -> tuple[Condition, ...]:
    """Ready always; of Reconciling and Stalled, the one that tells whether waiting helps. `good`: success's reason."""
    if error is None:
        return (Condition(type="Ready", status="True", reason=good, message=note, observed_generation=generation),)
    why = "Stalled" if error.retry is Retry.ON_CHANGE else "Reconciling"
    message = str(error)[:MESSAGE_LIMIT]
    return tuple(
        Condition(type=type_, status=status, reason=error.reason, message=message, observed_generation=generation)
        for type_, status in (("Ready", "False"), (why, "True"))
    )


def since(new: Sequence[Condition], old: Iterable[Condition], now: datetime) -> tuple[Condition, ...]:
    """The new conditions with `lastTransitionTime`: the old one's where the status is the same, else now."""
    before = {condition.type: condition for condition in old}
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def stamped(condition: Condition) -> Condition:
        previous = before.get(condition.type)
        if previous is None or previous.status != condition.status:
            return condition.model_copy(update={"last_transition_time": stamp})
        return condition.model_copy(update={"last_transition_time": previous.last_transition_time or stamp})

    return tuple(stamped(condition) for condition in new)


def ready(conditions: Iterable[Condition]) -> Condition | None:
    """The Ready condition, where there is one."""
    return next((condition for condition in conditions if condition.type == "Ready"), None)


M = TypeVar("M", bound=Model)


def readable(model: type[M], body: Mapping[str, Any]) -> M:
    """The status of an object; an empty one where another version of Keyferry left what this one cannot read."""
    try:
        return model.model_validate(body.get("status") or {})
    except ValidationError:
        return model()
