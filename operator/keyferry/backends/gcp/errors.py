"""What Google says, and what Keyferry says instead: one table. Google's own words are never passed on.

They can hold anything. Only known parts are looked for in them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from keyferry.backends import certificates
from keyferry.errors import (
    AuthFailed,
    BackendUnavailable,
    PermissionDenied,
    SecretMissing,
    SecretUnusable,
    SpecInvalid,
    SyncError,
    Throttled,
)


class LoginRefused(AuthFailed):
    """Google does not accept the token. A newer one may help, once."""


class CallDenied(PermissionDenied):
    """IAM denies the call."""


class ProjectUnusable(PermissionDenied):
    """Nobody may call there: there is no such project, or it is not one that serves anything."""


class SecretThere(SpecInvalid):
    """What should be made is there already."""


@dataclass(frozen=True, slots=True)
class About:
    """What was tried, as who, and with whom."""

    operation: str
    permission: str  # that IAM asks for it
    resource: str  # as the API names it
    login: str
    host: str
    version: str = ""  # as in `Ref`


@dataclass(frozen=True, slots=True)
class Failure:
    """What came back: the status's name in gRPC, and what Google added to it."""

    status: str
    message: str = field(default="", repr=False)
    reason: str = ""  # of google.rpc.ErrorInfo
    retry_after: float | None = None  # seconds, of google.rpc.RetryInfo


Tell = Callable[[Failure, About], SyncError]


def told(failure: Failure, about: About) -> SyncError:
    """The error for the user's status: which resource, which permission, which address, and what to do."""
    tell = _BY_REASON.get(failure.reason) or _BY_STATUS.get(failure.status, _senseless)
    return tell(failure, about)


def _refused(_: Failure, about: About) -> SyncError:
    return LoginRefused(
        f"{about.host} does not accept {about.login}: it is wrong, was deleted or disabled, or the operator's clock is "
        "off"
    )


def _denied(_: Failure, about: About) -> SyncError:
    perhaps = ", or it is not there" if "/secrets/" in about.resource else ", or there is no such project"
    return CallDenied(
        f"{about.login} is not allowed {about.permission} on {about.resource}: grant a role with it there{perhaps}"
    )


def _no_project(_: Failure, about: About) -> SyncError:
    return ProjectUnusable(f"{about.login} may not use {about.resource}: there is no such project, or it is not active")


def _not_enabled(_: Failure, about: About) -> SyncError:
    return ProjectUnusable(
        f"the Secret Manager API is not enabled for {about.resource}: gcloud services enable "
        "secretmanager.googleapis.com"
    )


def _not_billed(_: Failure, about: About) -> SyncError:
    return ProjectUnusable(f"Google serves nothing of {about.resource}: its project has no active billing account")


def _missing(_: Failure, about: About) -> SyncError:
    if about.version:
        return SecretMissing(f"there is no secret {about.resource}, or no version {about.version} of it")
    if "/secrets/" in about.resource:
        perhaps = ", or it has no value yet" if about.operation == "AccessSecretVersion" else ""
        return SecretMissing(f"there is no secret {about.resource}{perhaps}")
    return BackendUnavailable(f"{about.host} knows no {about.resource}: check projectId and location")


def _not_as_it_is(failure: Failure, about: About) -> SyncError:
    which = f"version {about.version}" if about.version else "the newest version"
    for state, remedy in (("DISABLED", "enable it"), ("DESTROYED", "its value is gone")):
        if state in failure.message:
            return SecretUnusable(
                f"{which} of {about.resource} is {state.lower()}: {remedy}, add a new version, or ask for another one"
            )
    return SecretUnusable(
        f"Google does not let {which} of {about.resource} be read as it is: if a key of your own encrypts it, that "
        "must be enabled"
    )


def _no_such_name(_: Failure, about: About) -> SyncError:
    if about.operation == "AccessSecretVersion":
        return SecretMissing(f"{about.host} takes {about.resource} at version {about.version!r} for no secret's name")
    return SpecInvalid(f"{about.host} refuses {about.operation} of {about.resource} as it was asked for")


def _throttled(failure: Failure, about: About) -> SyncError:
    if "larger than max" in failure.message:  # said by the client itself, of an answer
        return BackendUnavailable(f"{about.host} answers {about.operation} with more than Keyferry takes at once")
    return Throttled(
        f"{about.host} is asked too often: the project's quota is used up", retry_after=failure.retry_after
    )


def _unavailable(failure: Failure, about: About) -> SyncError:
    for part, how in _OUT_OF_REACH.items():
        if part in failure.message:
            return BackendUnavailable(f"{about.operation}: {how.format(host=about.host)}")
    return BackendUnavailable(f"{about.operation}: {about.host} cannot be reached, or breaks off")


def _late(_: Failure, about: About) -> SyncError:
    return BackendUnavailable(f"{about.operation}: {about.host} does not answer in time")


def _broken(failure: Failure, about: About) -> SyncError:
    return BackendUnavailable(f"{about.host} fails at {about.operation} ({failure.status})")


def _senseless(failure: Failure, about: About) -> SyncError:
    known = failure.status if failure.status in _STATUSES else "unknown"
    return BackendUnavailable(
        f"{about.host} answers {about.operation} with what Keyferry does not understand ({known})"
    )


def _there(_: Failure, about: About) -> SyncError:
    return SecretThere(f"{about.resource} is there already: somebody made it just now; try again")


_UNTRUSTED = "no secure connection to {{host}}: {}"
# What gRPC says of a connection that does not come about, the most telling first.
_OUT_OF_REACH: Mapping[str, str] = {
    "certificate has expired": _UNTRUSTED.format(certificates.WORDS[certificates.EXPIRED]),
    "certificate is not yet valid": _UNTRUSTED.format(certificates.WORDS[certificates.EARLY]),
    "Hostname Verification Check failed": _UNTRUSTED.format(certificates.WORDS[certificates.NAME]),
    "CERTIFICATE_VERIFY_FAILED": _UNTRUSTED.format(certificates.WORDS[certificates.AUTHORITY]),
    "WRONG_VERSION_NUMBER": "no secure connection to {host}: it does not speak TLS",
    "Ssl handshake failed": "no secure connection to {host}",
    "errors resolving": "there is no address for {host}",
    "Connection refused": "cannot connect to {host}",
}
_STATUSES = frozenset({"OUT_OF_RANGE", "UNIMPLEMENTED", "DATA_LOSS"})
_BY_REASON: Mapping[str, Tell] = {
    "SERVICE_DISABLED": _not_enabled,
    "BILLING_DISABLED": _not_billed,
    "CONSUMER_INVALID": _no_project,
}
_BY_STATUS: Mapping[str, Tell] = {
    "UNAUTHENTICATED": _refused,
    "PERMISSION_DENIED": _denied,
    "NOT_FOUND": _missing,
    "FAILED_PRECONDITION": _not_as_it_is,
    "INVALID_ARGUMENT": _no_such_name,
    "RESOURCE_EXHAUSTED": _throttled,
    "UNAVAILABLE": _unavailable,
    "DEADLINE_EXCEEDED": _late,
    "ALREADY_EXISTS": _there,
    **dict.fromkeys(("INTERNAL", "UNKNOWN", "ABORTED", "CANCELLED"), _broken),
}
