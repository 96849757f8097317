"""What HCP says, and what Keyferry says instead. Its own words are never passed on: they may quote what was sent.

The service has ended. So whatever looks as if it were not there any more is never taken for a secret that is missing.
"""

from dataclasses import dataclass

from keyferry.backends import https
from keyferry.errors import AuthFailed, BackendUnavailable, PermissionDenied, Retry, SpecInvalid, SyncError, Throttled

ENDED = "HCP Vault Secrets ended on 1 July 2026"
MOVE = f"{ENDED}: move to HCP Vault Dedicated (provider vault) or another backend while it still answers"
_KEPT = f"{ENDED}; Secrets stay as they are"
ROLE = "App secrets reader (roles/secrets.app-secret-reader)"


class TokenRefused(AuthFailed):
    """HCP does not know the token, or not any more. A new login may help."""


class CallDenied(PermissionDenied):
    """The service principal may not do this."""


class Gone(BackendUnavailable):
    """What should always be there is not: an app, or the service. Waiting hardly helps."""

    retry = Retry.ON_CHANGE


class NotThere(Gone):
    """The answer to what was asked is 404, be it that the secret is not there, the app, or the service."""


@dataclass(frozen=True, slots=True)
class About:
    """What was tried, as who, and with whom."""

    operation: str
    login: str
    host: str
    app: str  # "app shop of project …"
    logging_in: bool = False


def unreached(kinds: tuple[str, ...], about: About) -> SyncError:
    """The error where no answer came."""
    return _ended(https.unreached(kinds, about.operation, about.host) or _senseless("no answer of HCP's", about))


def told(status: int, about: About, retry_after: float | None = None) -> SyncError:
    """The error for the user's status; `status` is 200 where an answer makes no sense."""
    if status == 429:
        return Throttled(f"{about.host} is asked too often (status 429)", retry_after=retry_after)
    if 300 <= status < 400:
        field = "authEndpoint" if about.logging_in else "endpoint"
        return SpecInvalid(
            f"spec.provider.hcp.{field}: {about.host} sends requests on to another address, where Keyferry does not "
            "follow: write that one"
        )
    if status in {404, 410}:
        return _absent(status, about)
    if about.logging_in and 400 <= status < 500:
        return _login_refused(status, about)
    return _refused(status, about)


def _refused(status: int, about: About) -> SyncError:
    if status == 401:
        return TokenRefused(f"{about.host} does not accept the token of {about.login}: it is spent, or was revoked")
    if status == 403:
        return CallDenied(
            f"{about.login} may not do this in {about.app}: give it the role {ROLE} there, or check organization and "
            "project"
        )
    if status in {400, 422}:
        return BackendUnavailable(f"{about.host} does not take {about.operation} in {about.app} (status {status})")
    if status >= 500:
        return _ended(BackendUnavailable(f"{about.host} fails at {about.operation} (status {status})"))
    return _ended(_senseless(f"status {status}" if status != 200 else "no answer of HCP's", about))


def _absent(status: int, about: About) -> SyncError:
    what = "nobody gives tokens" if about.logging_in else f"there is no {about.app}, or none for {about.login}"
    kind = Gone if status == 410 or about.logging_in else NotThere
    return _ended(kind(f"at {about.host} {what} (status {status})"))


def _login_refused(status: int, about: About) -> SyncError:
    if status in {400, 401, 403}:
        return AuthFailed(
            f"{about.login}: there is no such client ID, or the client secret is not, or not any more, one of it "
            f"(status {status} of {about.host})"
        )
    return AuthFailed(f"{about.login}: {about.host} does not accept it (status {status})")


def _senseless(what: str, about: About) -> BackendUnavailable:
    return BackendUnavailable(f"{about.host} answers {about.operation} with what Keyferry does not understand ({what})")


def odd(what: str) -> BackendUnavailable:
    """The error for an answer that is none, though it looks like one."""
    return _ended(BackendUnavailable(what))


def _ended(failure: BackendUnavailable) -> BackendUnavailable:
    """The same with what everybody should know who meets it."""
    return failure.worded(f"{failure}. {_KEPT}")
