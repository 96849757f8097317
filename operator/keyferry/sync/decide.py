"""From what was rendered to what is done: all or nothing, and nothing good is lost to a failure. Pure."""

from keyferry.api.external_secret import CreationPolicy, DeletionPolicy, ExternalSecretSpec, Source
from keyferry.errors import SyncError
from keyferry.render.secret import Rendered
from keyferry.sync.outcome import Deed, Outcome


def decide(spec: ExternalSecretSpec, rendered: Rendered, sources: tuple[Source, ...]) -> Outcome:
    """What to do with the Secret, if another look finds the same missing (`doubt` sees to that)."""
    if rendered.failures:
        return Outcome(error=_summed(rendered.failures + rendered.gone))
    if rendered.gone:
        return _without(spec, rendered, sources)
    if spec.target.creation_policy is CreationPolicy.NONE:
        return Outcome(sources=sources)
    return Outcome(Deed.WRITE, rendered.data, sources=sources)


def _without(spec: ExternalSecretSpec, rendered: Rendered, sources: tuple[Source, ...]) -> Outcome:
    """What the deletionPolicy says."""
    error = _summed(rendered.gone)
    written = spec.target.creation_policy is not CreationPolicy.NONE
    match spec.target.deletion_policy:
        case DeletionPolicy.DELETE if written and not rendered.data:
            note = "no Secret is kept, as deletionPolicy: Delete says"
            return Outcome(Deed.DELETE, error=error, note=note, sources=())
        case DeletionPolicy.MERGE if written:
            note = "its keys were dropped from the Secret, as deletionPolicy: Merge says"
            return Outcome(Deed.WRITE, rendered.data, error=error, note=note, sources=sources)
        case _:
            return Outcome(error=error)


def _summed(failures: tuple[SyncError, ...]) -> SyncError:
    """The first failure, which tells how many more there are."""
    first, more = failures[0], len(failures) - 1
    return first.worded(f"{first}; and {more} more like it") if more else first
