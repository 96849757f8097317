"""What Vault and hvac say, and what Keyferry says instead: one table. Vault's own words are never passed on.

They quote what was sent and what is configured. Only whether they contain a known phrase is looked at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from keyferry.backends import certificates
from keyferry.errors import (
    AuthFailed,
    BackendUnavailable,
    PermissionDenied,
    SecretMissing,
    SpecInvalid,
    SyncError,
    Throttled,
)


class TokenRefused(AuthFailed):
    """Vault does not know the token, or not any more. A new login may help."""


class CallDenied(PermissionDenied):
    """A policy denies the call. Or the token is no good: not every Vault tells the one from the other."""


class NotThere(SecretMissing):
    """There is nothing at the path, or nothing that may be read. `body` tells which, where Vault does."""

    def __init__(self, message: str, body: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.body = body or {}


@dataclass(frozen=True, slots=True)
class About:
    """What was tried, as who, and with whom."""

    operation: str
    login: str
    host: str
    capability: str = ""  # as policies call it: read, list, update, …
    path: str = ""  # as policies call it: secret/data/app/db
    logging_in: bool = False

    def at(self, capability: str, path: str) -> "About":
        return replace(self, capability=capability, path=path)


@dataclass(frozen=True, slots=True)
class Failure:
    """What came back: an HTTP status with what Vault said, or the names of an exception's classes."""

    status: int = 0
    said: Sequence[str] = field(default=(), repr=False)
    classes: tuple[str, ...] = ()  # the most telling first
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    retry_after: float | None = None

    def says(self, phrase: str) -> bool:
        return any(phrase in each.lower() for each in self.said)


Tell = Callable[[Failure, About], SyncError]


def told(failure: Failure, about: About) -> SyncError:
    """The error for the user's status: which path and capability, which address, and what to do."""
    if failure.classes:
        tell = next((_OF_SDK[name] for name in failure.classes if name in _OF_SDK), _senseless)
    elif failure.status in _BY_STATUS:
        tell = _BY_STATUS[failure.status]
    elif about.logging_in and 400 <= failure.status < 500:
        tell = _login_refused
    else:
        tell = _REFUSED.get(failure.status, _senseless)
    return tell(failure, about)


def _sealed(_: Failure, about: About) -> SyncError:
    return BackendUnavailable(f"{about.host}: Vault is sealed, or not the active node: unseal it")


def _broken(failure: Failure, about: About) -> SyncError:
    return BackendUnavailable(f"{about.host} fails at {about.operation} (status {failure.status})")


def _throttled(failure: Failure, about: About) -> SyncError:
    return Throttled(f"{about.host} is asked too often (status 429)", retry_after=failure.retry_after)


def _sent_away(_: Failure, about: About) -> SyncError:
    return SpecInvalid(
        f"spec.provider.vault.server: {about.host} sends requests on to another address, where Keyferry does not "
        "follow: write that of the active node, or of whatever finds it"
    )


def _login_refused(failure: Failure, about: About) -> SyncError:
    for phrase, text in _LOGIN_WORDS:
        if failure.says(phrase):
            return AuthFailed(f"{about.login}: {text} ({about.path})")
    if failure.status in {403, 404}:
        return AuthFailed(
            f"{about.login}: {about.host} does not accept it at {about.path}: is the login mounted there, in this "
            "namespace, and is the role bound to just this?"
        )
    return AuthFailed(f"{about.login}: {about.host} does not accept it at {about.path} (status {failure.status})")


# What is known of Vault's words, in lower case, and what they mean; the first that fits counts.
_LOGIN_WORDS = (
    ("invalid role or secret id", "there is no such role ID, or the secret ID is not, or not any more, one of it"),
    ("invalid role id", "there is no such role ID"),
    ("invalid secret id", "the secret ID is not, or not any more, one of the role"),
    ("invalid username or password", "there is no such user, or the password is another"),
    ("invalid role name", "Vault has no such role"),
    ("could not be found", "Vault has no such role"),
    ("is expired", "its token's time is over; a clock may be off"),
    ("expired", "its token's time is over; a clock may be off"),
    ("not valid yet", "its token's time has not come; a clock may be off"),
    ("not yet valid", "its token's time has not come; a clock may be off"),
    ("invalid issuer", "Vault does not know the issuer of its token"),
    ("invalid audience", "the role does not accept its token's audience: write the same in both"),
    ("audience claim", "the role does not accept its token's audience: write the same in both"),
    ("not authorized", "the role is bound to other ServiceAccounts or namespaces"),
    ("claim", "the role is bound to other claims than its token has"),
    ("error verifying token signature", "Vault does not know the key that signed its token: check the login's issuer"),
    ("no known key", "Vault does not know the key that signed its token: check the login's issuer"),
    ("signature", "Vault does not know the key that signed its token: check the login's issuer"),
    ("lookup failed", "the API server does not accept its token: audience, or Vault's right to ask for a review"),
    ("login unauthorized", "the API server does not accept its token: audience, or Vault's right to ask for a review"),
    ("no handler for route", "no login is mounted there, or there is no such namespace"),
)


def _unauthorized(_: Failure, about: About) -> SyncError:
    return TokenRefused(f"{about.host} does not accept {about.login}: the token is spent, or was revoked")


def _forbidden(failure: Failure, about: About) -> SyncError:
    # Whom no policy lets through is told "1 error occurred: * permission denied". OpenBao, and Vault before it said
    # "invalid token", say just the two words of a token that they do not know.
    if failure.says("invalid token") or failure.says("bad token") or [*failure.said] == ["permission denied"]:
        return _unauthorized(failure, about)
    return CallDenied(
        f"{about.login} is not allowed {about.capability} on {about.path}: grant that in a policy of Vault's"
    )


def _not_found(failure: Failure, about: About) -> SyncError:
    if failure.says("no handler for route"):
        return SpecInvalid(
            f"spec.provider.vault.rootEngine: nothing is mounted at {about.path.partition('/')[0]} in this namespace"
        )
    if "Invalid path for a versioned K/V secrets engine" in str(failure.body.get("warnings")):
        return SpecInvalid(f"spec.provider.vault.version: {about.path} is of a KV engine of version 2: write v2")
    return NotThere(f"Vault has nothing at {about.path}", failure.body)


def _not_understood(failure: Failure, about: About) -> SyncError:
    if failure.says("check-and-set"):
        return BackendUnavailable(f"{about.path} was written by somebody else meanwhile: try again")
    return BackendUnavailable(f"{about.host} does not take {about.operation} for {about.path} (status 400)")


def _senseless(failure: Failure, about: About) -> SyncError:
    if failure.status >= 500:
        return _broken(failure, about)
    code = f"status {failure.status}" if failure.status else "no answer of Vault's"
    return BackendUnavailable(f"{about.host} answers {about.operation} with what Keyferry does not understand ({code})")


def _out_of_reach(how: str) -> Tell:
    def tell(_: Failure, about: About) -> SyncError:
        return BackendUnavailable(f"{about.operation}: {how.format(host=about.host)}")

    return tell


def _untrusted(how: str) -> Tell:
    def tell(_: Failure, about: About) -> SyncError:
        return certificates.Untrusted(f"{about.operation}: no secure connection to {about.host}: {how}")

    return tell


_BY_STATUS: Mapping[int, Tell] = {
    **dict.fromkeys((301, 302, 303, 307, 308), _sent_away),
    429: _throttled,
    503: _sealed,
}
_REFUSED: Mapping[int, Tell] = {
    400: _not_understood,
    401: _unauthorized,
    403: _forbidden,
    404: _not_found,
    405: _not_found,
}
_OF_SDK: Mapping[str, Tell] = {
    **{kind: _untrusted(words) for kind, words in certificates.WORDS.items()},
    "SSLError": _untrusted("there is no agreement on TLS; is it https at all?"),
    "ConnectTimeout": _out_of_reach("{host} does not answer in time"),
    "ReadTimeout": _out_of_reach("{host} does not answer in time"),
    "Timeout": _out_of_reach("{host} does not answer in time"),
    "ConnectionError": _out_of_reach("cannot connect to {host}, or it breaks off"),
    "ChunkedEncodingError": _out_of_reach("{host} breaks off"),
    "OSError": _out_of_reach("cannot talk to {host}"),
}
