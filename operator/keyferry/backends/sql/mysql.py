"""MySQL and MariaDB: connections by aiomysql, which is kept from what it would do in clear, and their refusals."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Mapping
from typing import Any

import aiomysql
from aiomysql.connection import Connection as AiomysqlConnection
from pymysql.constants import CLIENT

from keyferry.backends.calling import apart
from keyferry.backends.sql.login import Login, ServerPlace
from keyferry.backends.sql.refusals import About, Need, Refusal, told, untrusted
from keyferry.backends.sql.trust import context_of
from keyferry.errors import BackendUnavailable, SyncError

# By the server's code, or the driver's (2000 to 2999).
CODES: Mapping[int, Refusal] = {
    1045: Refusal.LOGIN,
    1698: Refusal.LOGIN,
    1820: Refusal.LOGIN_EXPIRED,
    1862: Refusal.LOGIN_EXPIRED,
    3118: Refusal.LOGIN_LOCKED,
    4151: Refusal.LOGIN_LOCKED,
    1251: Refusal.LOGIN_WAY,
    2059: Refusal.LOGIN_WAY,
    1129: Refusal.HOST,
    1130: Refusal.HOST,
    1044: Refusal.DATABASE,
    1049: Refusal.DATABASE,
    1142: Refusal.RIGHTS,
    1143: Refusal.RIGHTS,
    1227: Refusal.RIGHTS,
    1062: Refusal.RACED,
    1146: Refusal.TABLES,
    1412: Refusal.TABLES,  # they were made while this transaction had begun
    1290: Refusal.READ_ONLY,
    1792: Refusal.READ_ONLY,
    1836: Refusal.READ_ONLY,
    1040: Refusal.CROWDED,
    1203: Refusal.CROWDED,
    1226: Refusal.CROWDED,
    1205: Refusal.LOCKED,
    1213: Refusal.LOCKED,
    1053: Refusal.STARTING,
    1021: Refusal.FULL,
    1037: Refusal.FULL,
    1114: Refusal.FULL,
    1153: Refusal.TOO_LARGE,
    1301: Refusal.TOO_LARGE,
    3159: Refusal.PLAIN_DENIED,
    1317: Refusal.SLOW,
    1969: Refusal.SLOW,
    3024: Refusal.SLOW,
    2003: Refusal.NOBODY,
    2006: Refusal.BROKEN_OFF,
    2013: Refusal.BROKEN_OFF,
}


# What the driver comes to over bytes that are no server's.
_GARBLED = (AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError, struct.error)


class Plain(Exception):
    """The server does not speak TLS, and nothing must be sent to it in clear."""


class Unsafe(Exception):
    """The server asks for the password itself, in clear."""


class Connection(AiomysqlConnection):  # type: ignore[misc]  # it has no types
    """One that sends nothing in clear unless it was told to, the password never, and is closed whenever it fails.

    aiomysql goes on without TLS where the server, or somebody on the way, says that it has none.
    """

    def escape(self, obj: Any) -> str:
        """A parameter as it stands in the statement. Bytes in hexadecimal, which mean the same whatever the sql_mode.

        aiomysql's own way of writing bytes is one that PyMySQL has no more.
        """
        if isinstance(obj, bytes):
            return f"_binary X'{obj.hex()}'"
        escaped: str = super().escape(obj)
        return escaped

    def close(self) -> None:
        """Cut it. aiomysql's own closing of TLS waits, with nobody to wait for it, for the other end's farewell."""
        if self._writer:
            self._writer.transport.abort()
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.StreamReader | None = None

    async def ensure_closed(self) -> None:
        """Say goodbye and cut it; return when nothing is left of it."""
        await super().ensure_closed()
        await asyncio.sleep(0)

    async def _connect(self) -> None:
        try:
            await super()._connect()
        except BaseException:
            self.close()  # also where the caller is cancelled
            raise

    async def _request_authentication(self) -> None:
        if self._ssl_context and not self.server_capabilities & CLIENT.SSL:
            raise Plain
        self._refuse_in_clear(self._server_auth_plugin)
        try:
            await super()._request_authentication()
        except BaseException:
            self.close()
            raise

    async def _process_auth(self, plugin_name: bytes, auth_packet: Any) -> Any:
        self._refuse_in_clear(plugin_name.decode(errors="replace"))
        return await super()._process_auth(plugin_name, auth_packet)

    def _refuse_in_clear(self, plugin: str) -> None:
        if plugin in {"mysql_clear_password", "mysql_old_password"} and not self._ssl_context:
            raise Unsafe


async def connect(place: ServerPlace, login: Login) -> Connection:
    """A connection that is logged in. Raises SyncError."""
    trust = await apart("tls", lambda: context_of(login.authority, login.source)) if place.tls else None
    connection = Connection(
        host=place.host,
        port=place.port,
        user=login.user,
        password=login.password.encode().decode("latin1"),  # the driver encodes it as Latin-1: these are its bytes
        db=place.database,
        charset="utf8mb4",
        # Of the session, whatever the server's is: too long is an error, and \ has the meaning that the driver means.
        sql_mode="'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
        client_flag=CLIENT.FOUND_ROWS,  # an UPDATE tells the rows that it found
        ssl=trust,
        program_name="keyferry",
    )
    about = About(place, login, Need.READ)
    try:
        await connection._connect()  # noqa: SLF001 - what aiomysql.connect does, which makes a class of its own
    except (aiomysql.Error, OSError, EOFError, Plain, Unsafe) as e:
        error = _told_at_login(e, about)
    except _GARBLED:
        error = told(Refusal.SENSELESS, about)
    else:
        return connection
    raise error


def refusal_of(failure: Any) -> tuple[Refusal, str]:
    """What a failure means, and the code."""
    if isinstance(failure, OSError | EOFError):
        return Refusal.BROKEN_OFF, ""
    code = failure.args[0] if isinstance(failure, aiomysql.Error) and failure.args else None
    if not isinstance(code, int) or not code:
        broken = isinstance(failure, aiomysql.InterfaceError | aiomysql.OperationalError)
        return (Refusal.BROKEN_OFF if broken else Refusal.SENSELESS), ""
    return CODES.get(code, Refusal.SENSELESS), str(code)


def waits(seconds: float) -> str:
    """The statement that lets the connection wait so long for locks."""
    return f"SET SESSION innodb_lock_wait_timeout = {max(1, int(seconds))}"


def _told_at_login(failure: Exception, about: About) -> SyncError:
    if isinstance(failure, Plain):
        return told(Refusal.PLAIN, about)
    if isinstance(failure, Unsafe):
        return told(Refusal.LOGIN_WAY, about)
    cause = failure.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return untrusted(cause.verify_code, about)
    if isinstance(cause, ssl.SSLError):
        return BackendUnavailable(f"{about.place}: there is no agreement on TLS")
    if isinstance(cause, OSError):
        return told(_refusal_of_system(cause), about)
    refusal, code = refusal_of(failure)
    return told(refusal, About(about.place, about.login, about.need, code))


def _refusal_of_system(failure: OSError) -> Refusal:
    if isinstance(failure, socket.gaierror):
        return Refusal.UNKNOWN_HOST
    if isinstance(failure, ConnectionResetError | asyncio.IncompleteReadError | BrokenPipeError):
        return Refusal.BROKEN_OFF
    return Refusal.NOBODY
