"""What can go wrong and be expected, as one tree. What is not in it is a bug.

SyncError
├── SpecInvalid            the resource asks for what cannot be
├── StoreNotFound          no such store
├── StoreNotReady          the store is being got ready; it wakes those who wait
├── NamespaceDenied        the store does not serve this namespace
├── CredentialsMissing     a Secret or key that the store's login names is not there
│   └── TokenNotAllowed    the ServiceAccount that it names does not allow to be used so
├── AuthFailed             the backend does not accept the login
├── PermissionDenied       the login is good but may not do this
├── EventSourceMissing     the queue that is to tell of changes is not there
├── SecretMissing          the mapping gives this namespace no such secret
├── SecretUnusable         the external secret is there, and says that it must not be used
├── SecretAmbiguous        two external secrets claim the same place
├── ValueInvalid           the value is not what the spec says of it (no JSON, no Base64, …)
├── SecretKeyInvalid       a key that a Kubernetes Secret cannot have
├── SecretTooLarge         more than a Kubernetes Secret can hold
├── BackendUnavailable     no answer, or one that makes no sense
│   └── Throttled          the backend asks for patience
├── CatalogueTooLarge      more secrets are listed than the operator may hold in memory
├── DeletionHeld           so much vanished at once that it is not believed yet
├── TargetNotOwned         the target Secret belongs to somebody else
├── TargetMissing          the Secret to merge into is not there
├── TargetRejected         the API server refuses the target Secret
├── KubeUnavailable        the API server does not answer
└── InternalError          a bug of ours, caught at the boundary
"""

import copy
import enum
from collections.abc import Awaitable
from typing import ClassVar, Self, TypeVar

T = TypeVar("T")


class Retry(enum.Enum):
    """Who moves next after a failure."""

    BACKOFF = enum.auto()  # the world may heal by itself: try again soon, then less and less often
    ON_CHANGE = enum.auto()  # only an edit can heal it: wait for one


class SyncError(Exception):
    """A failure we expect. Its text goes to the user's status, so it never holds a value."""

    reason: ClassVar[str] = "SyncFailed"
    retry: ClassVar[Retry] = Retry.BACKOFF

    def worded(self, words: str) -> Self:
        """The same failure in other words, without the trace of where it was met."""
        other = copy.copy(self).with_traceback(None)
        other.args = (words,)
        return other


def bare(error: SyncError) -> SyncError:
    """The same error without its frames and causes: those hold keys and values."""
    return copy.copy(error)


async def bared(work: Awaitable[T]) -> T:
    """What the work gives; where it fails, the error is bare."""
    try:
        return await work
    except SyncError as e:
        error = bare(e)
    raise error


class SpecInvalid(SyncError):
    """The resource asks for what cannot be; the text says what to write instead."""

    reason = "SpecInvalid"
    retry = Retry.ON_CHANGE


class StoreNotFound(SyncError):
    """No store of that kind and name."""

    reason = "StoreNotFound"
    retry = Retry.ON_CHANGE


class StoreNotReady(SyncError):
    """The store is being got ready, or made anew. It wakes those who wait: nothing to tell anybody."""

    reason = "StoreNotReady"


class NamespaceDenied(SyncError):
    """The store does not serve this namespace."""

    reason = "NamespaceDenied"
    retry = Retry.ON_CHANGE


class CredentialsMissing(SyncError):
    """A Secret, key or ServiceAccount that the store's login names is not there."""

    reason = "CredentialsMissing"
    retry = Retry.ON_CHANGE


class TokenNotAllowed(CredentialsMissing):
    """The ServiceAccount that a store's login names does not allow that; the text gives the command that would."""

    reason = "TokenNotAllowed"


class AuthFailed(SyncError):
    """The backend does not accept the login."""

    reason = "AuthFailed"


class PermissionDenied(SyncError):
    """The login is good but may not do this; the text names the permission and the resource."""

    reason = "PermissionDenied"


class EventSourceMissing(SyncError):
    """Where the backend is to say that something changed, a queue or the like, is not there."""

    reason = "EventSourceMissing"


class SecretMissing(SyncError):
    """The mapping gives this namespace no such secret, property or version."""

    reason = "RemoteSecretMissing"


class SecretUnusable(SyncError):
    """The external secret is there, and says of itself that it must not be used, as one that is disabled."""

    reason = "RemoteSecretUnusable"


class SecretAmbiguous(SyncError):
    """Two external secrets claim the same prefix, namespace and key; the text names both."""

    reason = "RemoteSecretAmbiguous"


class ValueInvalid(SyncError):
    """The value is not what the spec says of it; the text tells where, never what."""

    reason = "ValueInvalid"


class SecretKeyInvalid(SyncError):
    """A key that a Kubernetes Secret cannot have."""

    reason = "SecretKeyInvalid"


class SecretTooLarge(SyncError):
    """More than a Kubernetes Secret can hold."""

    reason = "SecretTooLarge"


class BackendUnavailable(SyncError):
    """No answer from the backend, or one that makes no sense."""

    reason = "BackendUnavailable"


class Throttled(BackendUnavailable):
    """The backend asks for patience."""

    reason = "BackendThrottled"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        """`retry_after`: seconds that the backend told us to wait, if it did."""
        super().__init__(message)
        self.retry_after = retry_after


class CatalogueTooLarge(SyncError):
    """More secrets are listed than the operator may hold in memory; the text says how to ask for fewer."""

    reason = "CatalogueTooLarge"


class DeletionHeld(SyncError):
    """So much vanished from the backend at once that it is not believed yet."""

    reason = "DeletionHeld"


class TargetNotOwned(SyncError):
    """The target Secret exists and belongs to somebody else."""

    reason = "TargetNotOwned"
    retry = Retry.ON_CHANGE


class TargetMissing(SyncError):
    """The Secret to merge into is not there."""

    reason = "TargetMissing"
    retry = Retry.ON_CHANGE


class TargetRejected(SyncError):
    """The API server refuses the target Secret as it would be."""

    reason = "TargetRejected"


class KubeUnavailable(SyncError):
    """The API server does not answer, or answers with a failure of its own."""

    reason = "KubernetesUnavailable"


class InternalError(SyncError):
    """A bug of ours. The log has the traceback; the status only says that it happened."""

    reason = "InternalError"
