"""What an API server and the way to it say, and what Keyferry says instead: one table. No answer's text is told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiohttp

from keyferry.backends import certificates
from keyferry.backends.kubernetes.validity import UNTOLD
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
    """The API server does not know the login, or not any more. A new token may help."""


class CallDenied(PermissionDenied):
    """The login may not do this: no Role grants it."""


class NotThere(SecretMissing):
    """There is no such object."""


class Taken(BackendUnavailable):
    """Somebody else wrote it meanwhile."""


class TooOld(BackendUnavailable):
    """A watch cannot go on from there: something was missed."""


@dataclass(frozen=True, slots=True)
class About:
    """What was tried, as who, and with whom."""

    operation: str  # as the store's budget and metrics call it
    verb: str  # as Roles call it
    what: str  # in words: secrets in namespace a, Secret a/db
    login: str
    host: str
    doubt: Callable[[], str] = lambda: UNTOLD  # why the login may be refused


def refused(status: int, about: About, retry_after: float | None = None) -> SyncError:
    """The error for an answer that is none: which verb on what, which address, and what to do."""
    if status == 401:
        return TokenRefused(f"{about.host} does not accept {about.login}: {about.doubt()}")
    if status in _BY_STATUS:
        error, words = _BY_STATUS[status]
        return error(words.format(about=about))
    if status == 429:
        return Throttled(f"{about.host} is asked too often (status 429)", retry_after=retry_after)
    if status >= 500:
        return BackendUnavailable(f"{about.host} fails at {about.operation} (status {status})")
    return senseless(about, f"status {status}")


def senseless(about: About, how: str = "no answer of an API server's") -> SyncError:
    """The error for an answer that an API server would not give."""
    return BackendUnavailable(f"{about.host} answers {about.operation} with what Keyferry does not understand ({how})")


def broken(failure: Exception, about: About) -> SyncError:
    """The error for a connection that does not come about, or breaks."""
    if wrong := certificates.refused(failure):
        how = _CERTIFICATE[wrong]
        return certificates.Untrusted(f"{about.operation}: no secure connection to {about.host}: {how}")
    words = next((words for kind, words in _BROKEN.items() if isinstance(failure, kind)), "{host} breaks off")
    return BackendUnavailable(f"{about.operation}: {words.format(host=about.host)}")


_SENT_AWAY = (
    SpecInvalid,
    "{about.host} sends requests on to another address, where Keyferry does not follow: name the API server itself",
)
_GRANT = "grant that in a Role; or there is no such namespace"
_BY_STATUS: Mapping[int, tuple[type[SyncError], str]] = {
    **dict.fromkeys((301, 302, 303, 307, 308), _SENT_AWAY),
    403: (CallDenied, "{about.login} is not allowed {about.verb} on {about.what}: " + _GRANT),
    404: (NotThere, "there is no {about.what}"),
    409: (Taken, "{about.what} was written by somebody else meanwhile: try again"),
    410: (TooOld, "{about.host} does not remember what happened in {about.what} since it was last heard"),
    413: (SpecInvalid, "{about.what}: more than the API server takes"),
    422: (SpecInvalid, "{about.what}: the API server does not take that; it may be immutable"),
}
_CERTIFICATE: Mapping[str, str] = {
    **certificates.WORDS,
    # Where to name it depends on whether spec.server is given.
    certificates.AUTHORITY: "its certificate is of an authority that is not trusted: name the right one",
}
_BROKEN: Mapping[type[Exception], str] = {  # the first that fits counts
    aiohttp.ClientSSLError: "no secure connection to {host}: there is no agreement on TLS; is it https at all?",
    TimeoutError: "{host} does not answer in time",
    aiohttp.ClientConnectorError: "cannot connect to {host}",
}
