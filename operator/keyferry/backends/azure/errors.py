"""What Key Vault, Entra and their SDK say, and what Keyferry says instead. Their own words are never passed on.

They can hold anything, a token among them. Only known codes are taken out of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
    """The vault does not accept the token. A newer one may help."""


class CallDenied(PermissionDenied):
    """The token is good, and may not do this. A newer one may: it knows of groups that were joined since."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked of a vault: its name here, the permission that it takes, and a role that has that."""

    name: str
    permission: str
    role: str = "Key Vault Secrets Officer"


LIST = Operation("ListSecrets", "secrets/list", "Key Vault Secrets User")
GET = Operation("GetSecret", "secrets/get", "Key Vault Secrets User")
SET = Operation("SetSecret", "secrets/set")
DELETE = Operation("DeleteSecret", "secrets/delete")
RECOVER = Operation("RecoverSecret", "secrets/recover")


@dataclass(frozen=True, slots=True)
class About:
    """What was tried, as who, and with whom."""

    operation: Operation
    login: str
    host: str
    resource: str = ""  # a secret's name in Keyferry's words; empty: the vault as a whole
    version: str = ""

    @property
    def where(self) -> str:
        return f"secret {self.resource} of vault {self.host}" if self.resource else f"vault {self.host}"


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, in codes."""

    kind: str = "answer"  # or how there was none: unreachable, unknown host, timeout, one of `certificates`, …
    status: int = 0
    code: str = ""  # Key Vault's innermost
    retry_after: float | None = None

    @property
    def told(self) -> str:
        """The code for an error's text, or the status: codes come from outside, and only known ones are passed on."""
        return self.code if self.code in _TOLD else f"status {self.status}"


Tell = Callable[[Failure, About], SyncError]


def told(failure: Failure, about: About) -> SyncError:
    """The error for the user's status: which secret, which permission, which vault, and what to do."""
    if failure.kind != "answer":
        return out_of_reach(failure.kind, about.operation.name, about.host)
    tell = _BY_CODE.get(failure.code) or _BY_STATUS.get(failure.status) or _senseless
    return tell(failure, about)


def out_of_reach(kind: str, operation: str, host: str) -> SyncError:
    """There was no answer at all."""
    if wrong := certificates.WORDS.get(kind):
        return BackendUnavailable(f"{operation}: no secure connection to {host}: {wrong}")
    return BackendUnavailable(f"{operation}: {_NO_ANSWER[kind].format(host=host)}")


def throttled(host: str, retry_after: float | None) -> SyncError:
    return Throttled(f"{host} is asked too often", retry_after=retry_after)


def _denied(_: Failure, about: About) -> SyncError:
    asked = about.operation
    return CallDenied(
        f"{about.login} is not allowed {asked.permission} on {about.where}: give it the role {asked.role} there, or, "
        f"where access policies rule, the secret permission {asked.permission.partition('/')[2]}"
    )


def _walled(how: str) -> Tell:
    def tell(_: Failure, about: About) -> SyncError:
        return BackendUnavailable(f"vault {about.host} {how}")

    return tell


def _disabled(_: Failure, about: About) -> SyncError:
    return SecretUnusable(f"{about.where} is disabled{_at(about)}: enable it, or take another")


def _missing(_: Failure, about: About) -> SyncError:
    if about.version:
        return SecretMissing(f"{about.where} has no version {about.version}")
    if about.operation is RECOVER:
        return SecretMissing(f"vault {about.host} has no deleted secret {about.resource}")
    return SecretMissing(f"vault {about.host} has no secret {about.resource}; or it is deleted, and can be recovered")


def _deleted(_: Failure, about: About) -> SyncError:
    return SpecInvalid(
        f"{about.where} is deleted, and its name is kept for it: recover it (az keyvault secret recover) and write "
        "again, purge it (az keyvault secret purge), or take another name"
    )


def _in_motion(_: Failure, about: About) -> SyncError:
    return BackendUnavailable(f"{about.where} is just being deleted or recovered; try again in a minute")


def _refused(failure: Failure, about: About) -> SyncError:
    return LoginRefused(
        f"vault {about.host} does not accept the token of {about.login} ({failure.told}): is the vault in another "
        "tenant, or another cloud (environmentType)? Or the operator's clock is off"
    )


def _throttled(failure: Failure, about: About) -> SyncError:
    return throttled(f"vault {about.host}", failure.retry_after)


def _broken(failure: Failure, about: About) -> SyncError:
    return BackendUnavailable(f"vault {about.host} fails at {about.operation.name} ({failure.told})")


def _unfit(failure: Failure, about: About) -> SyncError:
    if about.operation is not SET:
        return _senseless(failure, about)
    return SpecInvalid(
        f"vault {about.host} does not take secret {about.resource} as it is ({failure.told}): it has at most 15 tags "
        "of 256 characters each"
    )


def _senseless(failure: Failure, about: About) -> SyncError:
    if failure.status >= 500:
        return _broken(failure, about)
    return BackendUnavailable(
        f"vault {about.host} answers {about.operation.name} with what Keyferry does not understand ({failure.told})"
    )


def _at(about: About) -> str:
    return f" at version {about.version}" if about.version else ""


_NO_ANSWER: Mapping[str, str] = {
    "unreachable": "cannot connect to {host}",
    "unknown host": "no DNS knows {host}: is the vault's name right? A private endpoint needs its own DNS zone",
    "no TLS": "no secure connection to {host}: there is no agreement on TLS",
    "timeout": "{host} does not answer in time",
    "broken off": "{host} breaks off",
    "senseless": "{host} answers with what Azure's SDK cannot read",
}
_BY_CODE: Mapping[str, Tell] = {
    "SecretDisabled": _disabled,
    "ForbiddenByRbac": _denied,
    "ForbiddenByPolicy": _denied,
    "AccessDenied": _denied,
    "ForbiddenByFirewall": _walled(
        "lets nobody in from the operator's address: allow that in the vault's firewall, or use a private endpoint"
    ),
    "ForbiddenByConnection": _walled("is closed to the public network: the operator needs a private endpoint to it"),
    "ObjectIsDeletedButRecoverable": _deleted,
    "ObjectIsBeingDeleted": _in_motion,
    "ObjectIsBeingRecovered": _in_motion,
    "SecretNotFound": _missing,
    "Throttled": _throttled,
}
_BY_STATUS: Mapping[int, Tell] = {
    400: _unfit,
    401: _refused,
    403: _denied,
    404: _missing,
    409: _in_motion,
    429: _throttled,
}
_TOLD = frozenset({*_BY_CODE, "Unauthorized", "Forbidden", "BadParameter", "Conflict", "InternalServerError"})
