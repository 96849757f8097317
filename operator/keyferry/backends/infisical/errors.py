"""What Infisical and aiohttp say, and what Keyferry says instead: one table. Infisical's own words are never passed on.

They quote what was sent and what is configured. Only whether they contain a known phrase is looked at.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from keyferry.backends import https
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
    """Infisical does not know the token, or not any more. A new login may help."""


class CallDenied(PermissionDenied):
    """The identity may not do this. Or its token is no good: not every Infisical tells the one from the other."""


class RouteUnknown(BackendUnavailable):
    """The server has no such call: it is older, or no Infisical."""


class What(enum.Enum):
    """What is not there."""

    PROJECT = "project"
    ENVIRONMENT = "environment"
    FOLDER = "folder"
    SECRET = "secret"  # noqa: S105 - a noun


class NotThere(SecretMissing):
    """Infisical has no such thing, or none that the identity may know of."""

    def __init__(self, message: str, what: What = What.SECRET) -> None:
        super().__init__(message)
        self.what = what


@dataclass(frozen=True, slots=True)
class About:
    """What was tried, as who, and with whom."""

    operation: str
    login: str
    host: str
    where: str = ""  # "folder /apps of environment prod, project shop"
    needs: str = ""  # the permission, as Infisical calls it
    logging_in: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """What came back: an HTTP status with what Infisical said, or the names of an exception's classes."""

    status: int = 0
    said: str = field(default="", repr=False)  # in lower case
    own: bool = True  # whether it is an answer of Infisical's own making
    classes: tuple[str, ...] = ()  # the most telling first
    retry_after: float | None = None

    def says(self, phrase: str) -> bool:
        return phrase in self.said

    @property
    def of_token(self) -> str:
        """What is wrong with the service token, if that is what is told: by 401, 403 and, where it is gone, 404."""
        message = self.said.partition(" ")[2]
        return next((words for start, words in _TOKEN_WORDS if message.startswith(start)), "")


Tell = Callable[[Failure, About], SyncError]


def told(failure: Failure, about: About) -> SyncError:
    """The error for the user's status: which identity, which place, which permission, and what to do."""
    if failure.classes and (unreached := https.unreached(failure.classes, about.operation, about.host)):
        return unreached
    tell: Tell = _senseless
    if 300 <= failure.status < 400:
        tell = _sent_away
    elif failure.status == 429:
        tell = _throttled
    elif failure.of_token:
        tell = _unauthorized
    elif about.logging_in and failure.status in {400, 401, 403, 404, 422}:
        tell = _login_refused
    else:
        tell = _REFUSED.get(failure.status, tell)
    return tell(failure, about)


def _throttled(failure: Failure, about: About) -> SyncError:
    return Throttled(f"{about.host} is asked too often (status 429)", retry_after=failure.retry_after)


def _sent_away(_: Failure, about: About) -> SyncError:
    return SpecInvalid(
        f"spec.provider.infisical.siteUrl: {about.host} sends requests on to another address, where Keyferry does not "
        "follow: write that one"
    )


def _login_refused(failure: Failure, about: About) -> SyncError:
    if failure.status == 404 and _routeless(failure):
        return _route_unknown(failure, about)
    for phrase, text in _LOGIN_WORDS:
        if failure.says(phrase):
            return AuthFailed(f"{about.login}: {text}")
    return AuthFailed(f"{about.login}: {about.host} does not accept it (status {failure.status})")


# What is known of Infisical's words, in lower case, and what they mean; the first that fits counts.
_LOGIN_WORDS = (
    ("lock", "Infisical has locked it after wrong logins, for some minutes: mend the Secret, and wait"),
    ("ip address", "the identity may not log in from the operator's address: its trusted IPs in Infisical"),
    ("expired client secret", "the client secret has expired: make another"),
    ("usage limit", "the client secret was used as often as it may be: make another, without a limit"),
    ("invalid credentials", "there is no such client ID, or the client secret is not, or not any more, one of it"),
    ("namespace not allowed", "the identity does not allow the ServiceAccount's namespace"),
    ("name not allowed", "the identity does not allow this ServiceAccount"),
    ("audience", "the identity does not allow its token's audience: write the same in both"),
    ("expired", "its token's time is over; a clock may be off"),
    ("not valid yet", "its token's time has not come; a clock may be off"),
    ("in the future", "its token's time has not come; a clock may be off"),
    ("auth method not found", "there is no such identity, or it has not this login"),
    ("find identity", "there is no such identity, or it has not this login"),
    ("identity not found", "there is no such identity, or it has not this login"),
    ("token", "the API server does not accept its token: audience, or Infisical's right to ask for a review"),
)


def _unauthorized(failure: Failure, about: About) -> SyncError:
    why = failure.of_token or "the token is wrong, spent, or was revoked"
    return TokenRefused(f"{about.host} does not accept {about.login}: {why}")


_EXPIRED = "it has expired: make another"
_TOKEN_WORDS = (  # how Infisical's words about service tokens begin, in lower case
    ("service token has expired", _EXPIRED),
    ("failed to authenticate expired service token", _EXPIRED),
    ("invalid service token", "there is a service token with this ID, and its secret is another"),
    ("service token with id", f"there is no such service token: it was deleted, or {_EXPIRED}"),
    ("service token not found", f"there is no such service token: it was deleted, or {_EXPIRED}"),
)


def _forbidden(failure: Failure, about: About) -> SyncError:
    if failure.says("tokenerror") or failure.says("access token"):
        return _unauthorized(failure, about)
    if failure.says("failed to expand"):
        return CallDenied(
            f"a secret in {about.where} refers to one that {about.login} may not read: grant Read Value there, too"
        )
    return CallDenied(f"{about.login} may not do this in {about.where}: give it a role with {about.needs} there")


def _not_found(failure: Failure, about: About) -> SyncError:
    if _routeless(failure):
        return _route_unknown(failure, about)
    what = next((what for phrase, what in _ABSENT if failure.says(phrase)), What.SECRET)
    return NotThere(f"Infisical has no such {what.value}: {about.where}", what)


_ABSENT = (  # the first that fits counts: a key may be any of these words
    ("secret with name", What.SECRET),
    ("folder", What.FOLDER),
    ("environment", What.ENVIRONMENT),
    ("project", What.PROJECT),
    ("workspace", What.PROJECT),
)


def _routeless(failure: Failure) -> bool:
    return failure.says("route ") or not failure.own


def _route_unknown(_: Failure, about: About) -> SyncError:
    return RouteUnknown(f"{about.host} does not know the call {about.operation}: is Infisical there, and is it new?")


def _not_understood(failure: Failure, about: About) -> SyncError:
    return BackendUnavailable(
        f"{about.host} does not take {about.operation} in {about.where} (status {failure.status})"
    )


def _senseless(failure: Failure, about: About) -> SyncError:
    if failure.status >= 500:
        return BackendUnavailable(f"{about.host} fails at {about.operation} (status {failure.status})")
    code = f"status {failure.status}" if failure.status else "no answer of Infisical's"
    return BackendUnavailable(f"{about.host} answers {about.operation} with what Keyferry does not understand ({code})")


_REFUSED: Mapping[int, Tell] = {
    400: _not_understood,
    401: _unauthorized,
    403: _forbidden,
    404: _not_found,
    422: _not_understood,
}
