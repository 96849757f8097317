"""PostgreSQL: connections by psycopg, and what its refusals mean."""

import asyncio
import contextlib
import re
import ssl
import struct
from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar
from typing import Any, Self, TypeVar

import psycopg
from psycopg import waiting
from psycopg.abc import PQGen, PQGenConn

from keyferry.backends.calling import apart
from keyferry.backends.sql.login import Login, ServerPlace
from keyferry.backends.sql.refusals import About, Need, Refusal, told, untrusted
from keyferry.backends.sql.trust import as_file, context_of, operators_own
from keyferry.errors import BackendUnavailable, SyncError

T = TypeVar("T")
C = TypeVar("C", bound="Connection")

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # the question whether the server speaks TLS, answered S or N

# By SQLSTATE, or how it begins; the first that fits counts.
STATES: Mapping[str, Refusal] = {
    "42501": Refusal.RIGHTS,
    "42P01": Refusal.TABLES,  # no such table
    "3F000": Refusal.SCHEMA,
    "25006": Refusal.READ_ONLY,
    "55P03": Refusal.LOCKED,
    "23505": Refusal.RACED,
    "40": Refusal.LOCKED,
    "57014": Refusal.SLOW,
    "57P": Refusal.STARTING,
    "53300": Refusal.CROWDED,
    "53": Refusal.FULL,
    "08": Refusal.BROKEN_OFF,
}

# What libpq says when a connection fails, which has no SQLSTATE. The server's part may be in another language: then
# nothing fits, and that is said.
_PHRASES = (
    (r"failed to resolve host|could not translate host name", Refusal.UNKNOWN_HOST),
    (r"does not support SSL", Refusal.PLAIN),
    (r"the database system is", Refusal.STARTING),
    (r"too many connections|too many clients|remaining connection slots", Refusal.CROWDED),
    (r"pg_hba\.conf.*no encryption", Refusal.PLAIN_DENIED),
    (r"pg_hba\.conf", Refusal.HOST),
    (r"password authentication failed|role .* does not exist|not permitted to log in", Refusal.LOGIN),
    (r"permission denied for database|database .* (does not exist|is not currently)", Refusal.DATABASE),
    (r"authentication", Refusal.LOGIN_WAY),
    (r"refused|No route to host|unreachable", Refusal.NOBODY),
    (r"timeout expired|timed out", Refusal.SLOW),
    (r"closed|lost|reset by peer|EOF|broken pipe|could not receive|could not send", Refusal.BROKEN_OFF),
)
_OF_TLS = re.compile("SSL|TLS|certificate", re.IGNORECASE)


# What is being connected by whoever runs; psycopg itself lets go of it only when it is collected as garbage.
_beginnings: ContextVar[list[PQGenConn[Any]]] = ContextVar("beginnings")


class Connection(psycopg.AsyncConnection[Any]):
    """One that is cut where nobody waits for it any more: psycopg itself would wait for the server for ten seconds."""

    async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            return await waiting.wait_async(gen, self.pgconn.socket, interval=interval, timeout=timeout)
        except asyncio.CancelledError:
            self.pgconn.finish()
            raise

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> PQGenConn[Self]:
        beginning = super()._connect_gen(conninfo)
        _beginnings.get().append(beginning)
        return beginning

    @classmethod
    def refused(cls, words: str) -> Refusal:
        """What libpq's words mean when a connection fails."""
        return next((each for phrase, each in _PHRASES if re.search(phrase, words)), Refusal.SENSELESS)


async def connect(place: ServerPlace, login: Login, kind: type[C], **more: Any) -> C:
    """A connection that is logged in. Raises SyncError."""
    if login.authority:
        context_of(login.authority, login.source)  # says what libpq would not: that these are no certificates
    with as_file(await _trusted(place, login)) as file:
        parameters = {**_parameters(place, login, file), "prepare_threshold": None, **more}
        begun: list[PQGenConn[Any]] = []
        _beginnings.set(begun)
        try:
            return await kind.connect(**parameters)
        except psycopg.Error as e:
            said = str(e)
        finally:
            for each in begun:
                each.close()  # where nobody waits any more, the server is left at once and not when Python tidies up
    about = About(place, login, Need.READ)
    refusal = kind.refused(said)
    unclear = refusal in {Refusal.SENSELESS, Refusal.BROKEN_OFF} and place.tls and _OF_TLS.search(said)
    if unclear and (error := await _wrong_with_tls(about)) is not None:
        raise error
    raise told(refusal, about)


def refusal_of(failure: Any) -> tuple[Refusal, str]:
    """What a failure of a connection that was good means, and the server's code."""
    code = getattr(failure, "sqlstate", None) or ""
    if not code:
        broken = isinstance(failure, psycopg.OperationalError | psycopg.InterfaceError)
        return (Refusal.BROKEN_OFF if broken else Refusal.SENSELESS), ""
    return next((each for start, each in STATES.items() if code.startswith(start)), Refusal.SENSELESS), code


def waits(seconds: float) -> str:
    """The statement that lets a transaction wait so long for locks, and its end come soon where nobody waits."""
    return f"SET LOCAL lock_timeout = {max(1, int(seconds * 1000))}"


async def _trusted(place: ServerPlace, login: Login) -> bytes:
    if not place.tls:
        return b""
    return await apart("certificates", operators_own) if login.authority is None else login.authority


def _parameters(place: ServerPlace, login: Login, file: str) -> dict[str, Any]:
    """Every one that libpq would otherwise take from the environment or a home folder, and that matters."""
    tls = {"sslmode": "verify-full", "sslrootcert": file} if place.tls else {"sslmode": "disable"}
    if not place.tls and place.scheme != "h2":  # which knows no other login
        tls["require_auth"] = "!password"  # whoever asks for the password itself does not get it in clear
    return {
        "host": place.host,
        "port": place.port,
        "dbname": place.database,
        "user": login.user,
        "password": login.password,
        "application_name": "keyferry",
        "client_encoding": "utf8",
        "gssencmode": "disable",
        "sslcertmode": "disable",
        "tcp_user_timeout": 30_000,
        "keepalives_idle": 30,
        **tls,
    }


async def _wrong_with_tls(about: About) -> SyncError | None:
    """What Python says of the server's certificate: libpq says of every one that verifying it failed."""
    context = context_of(about.login.authority, about.login.source)
    try:
        async with _asked_for_tls(about.place) as writer:
            await writer.start_tls(context, server_hostname=about.place.host)
    except ssl.SSLCertVerificationError as e:
        return untrusted(e.verify_code, about)
    except ssl.SSLError:
        return BackendUnavailable(f"{about.place}: there is no agreement on TLS")
    except OSError:
        return told(Refusal.BROKEN_OFF, about)
    return None


@contextlib.asynccontextmanager
async def _asked_for_tls(place: ServerPlace) -> AsyncIterator[asyncio.StreamWriter]:
    """A connection whose server expects TLS to begin. Raises OSError."""
    reader, writer = await asyncio.open_connection(place.host, place.port)
    try:
        writer.write(_SSL_REQUEST)
        if await reader.read(1) != b"S":
            raise ConnectionError
        yield writer
    finally:
        writer.transport.abort()
