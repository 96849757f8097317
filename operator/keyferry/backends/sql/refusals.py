"""What servers refuse, in our words: a table for each kind of server says which of these it is. Never its own words.

A server quotes what it was asked, and MySQL's driver asks with values in the statement.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from keyferry.backends import certificates
from keyferry.backends.sql.login import Login, ServerPlace
from keyferry.errors import (
    AuthFailed,
    BackendUnavailable,
    PermissionDenied,
    SecretTooLarge,
    SpecInvalid,
    SyncError,
    Throttled,
)


class TablesMissing(SyncError):
    """The tables are not there, or not all of them. Whoever hears it makes them."""


class Raced(BackendUnavailable):
    """Another process has just written the same row."""


class Need(enum.StrEnum):
    """Which rights something takes."""

    READ = "SELECT on keyferry_meta and keyferry_secret"
    WRITE = "SELECT on keyferry_meta, and SELECT, INSERT and UPDATE on keyferry_secret"
    BEGIN = "INSERT on keyferry_meta, until it holds what the first use writes there"
    MAKE = "CREATE"


class Refusal(enum.Enum):
    """What it comes to."""

    LOGIN = enum.auto()  # user or password
    LOGIN_EXPIRED = enum.auto()  # the password's time is over
    LOGIN_LOCKED = enum.auto()
    LOGIN_UNTOLD = enum.auto()  # probably user or password
    LOGIN_WAY = enum.auto()  # the server wants another kind of login
    HOST = enum.auto()  # no login from here
    DATABASE = enum.auto()
    SCHEMA = enum.auto()  # there is none to make tables in
    RIGHTS = enum.auto()
    TABLES = enum.auto()
    RACED = enum.auto()
    READ_ONLY = enum.auto()
    CROWDED = enum.auto()
    LOCKED = enum.auto()
    STARTING = enum.auto()  # or stopping
    FULL = enum.auto()
    TOO_LARGE = enum.auto()
    PLAIN = enum.auto()  # the server has no TLS
    PLAIN_DENIED = enum.auto()  # the server wants TLS
    NOBODY = enum.auto()  # nobody listens there
    UNKNOWN_HOST = enum.auto()
    BROKEN_OFF = enum.auto()
    SLOW = enum.auto()
    SENSELESS = enum.auto()


@dataclass(frozen=True, slots=True)
class About:
    """What was tried, as whom, and with which database."""

    place: ServerPlace
    login: Login
    need: Need
    code: str = ""  # the server's own


Tell = Callable[[About], SyncError]


def told(refusal: Refusal, about: About) -> SyncError:
    """The error for the user's status."""
    error = _TABLE[refusal](about)
    code = f" (code {about.code})" if about.code else ""
    return error.worded(f"{error}{code}")


def untrusted(verify_code: int, about: About) -> SyncError:
    """The error where the server's certificate is not trusted; the code is that of Python's error."""
    words = certificates.WORDS[certificates.kind(verify_code)]
    return BackendUnavailable(f"{about.place}: no secure connection: {words}")


def _rights(about: About) -> SyncError:
    if about.need is Need.MAKE:
        return PermissionDenied(
            f"{about.place} has no tables of Keyferry's, and {about.login.name} may not make them: let an "
            f"administrator run what this prints: {about.place.ddl}"
        )
    schema = ", and USAGE on its schema" if about.place.scheme == "postgresql" else ""
    return PermissionDenied(f"{about.place}: {about.login.name} lacks a right: GRANT {about.need}{schema}")


def _login(about: About) -> SyncError:
    over = " or not valid any more" if about.place.scheme == "postgresql" else ""  # it tells not which
    return AuthFailed(
        f"{about.place}: the server does not accept {about.login.name}: there is no such user, or the password is "
        f"another{over}"
    )


def _says(kind: type[SyncError], words: str) -> Tell:
    def tell(about: About) -> SyncError:
        return kind(f"{about.place}: {words.format(login=about.login.name, place=about.place)}")

    return tell


_TABLE: Mapping[Refusal, Tell] = {
    Refusal.LOGIN: _login,
    Refusal.LOGIN_EXPIRED: _says(
        AuthFailed, "the server does not accept {login}: the password has expired: give the user another"
    ),
    Refusal.LOGIN_LOCKED: _says(AuthFailed, "the server does not accept {login}: the user is locked"),
    Refusal.LOGIN_UNTOLD: _says(
        AuthFailed,
        "the server closes the connection when {login} logs in. H2 says no more where user or password is wrong, or "
        "where there is no such database",
    ),
    Refusal.LOGIN_WAY: _says(
        AuthFailed, "the server asks {login} to log in in a way that Keyferry does not: give the user a password"
    ),
    Refusal.HOST: _says(
        AuthFailed,
        "the server lets {login} not in from the operator's address, or not without TLS: see its pg_hba.conf or hosts",
    ),
    Refusal.DATABASE: _says(SpecInvalid, "there is no such database, or {login} may not use it"),
    Refusal.SCHEMA: _says(SpecInvalid, "there is no schema for the tables that {login} may use: name one in schema"),
    Refusal.RIGHTS: _rights,
    Refusal.TABLES: _says(TablesMissing, "the tables are not there"),
    Refusal.RACED: _says(Raced, "another process writes the same row at this moment"),
    Refusal.READ_ONLY: _says(
        PermissionDenied,
        "the server is read-only: is it a standby? name the primary server to write, make tables or listen",
    ),
    Refusal.CROWDED: _says(
        Throttled, "the server has no connection left: raise its limit or the user's, or lower refresh.concurrency"
    ),
    Refusal.LOCKED: _says(
        BackendUnavailable, "the row is locked by another writer for too long; whoever writes must end first"
    ),
    Refusal.STARTING: _says(BackendUnavailable, "the server is starting or stopping"),
    Refusal.FULL: _says(BackendUnavailable, "the server has no room or memory left"),
    Refusal.TOO_LARGE: _says(
        SecretTooLarge, "the value is more than the server takes at once: raise max_allowed_packet"
    ),
    Refusal.PLAIN: _says(
        BackendUnavailable,
        "the server has no TLS, so nothing was sent to it: enable it there, or say tls: Disabled, which shows all on "
        "the way what is sent",
    ),
    Refusal.PLAIN_DENIED: _says(
        BackendUnavailable, "the server takes no connection without TLS: leave tls: Disabled out"
    ),
    Refusal.NOBODY: _says(BackendUnavailable, "cannot connect: nobody answers there"),
    Refusal.UNKNOWN_HOST: _says(BackendUnavailable, "cannot connect: the host's name is not known"),
    Refusal.BROKEN_OFF: _says(BackendUnavailable, "the connection breaks off"),
    Refusal.SLOW: _says(BackendUnavailable, "the server takes too long"),
    Refusal.SENSELESS: _says(
        BackendUnavailable, "the server answers with what Keyferry does not understand; its log may tell more"
    ),
}
