"""H2, by its PostgreSQL port: the dialect that SQLAlchemy lacks, and connections that do not wait for nothing."""

import socket
from collections.abc import Mapping
from typing import Any, TypeVar

from psycopg.abc import PQGen
from sqlalchemy import URL
from sqlalchemy import Connection as SqlalchemyConnection
from sqlalchemy.dialects.postgresql.psycopg import PGDialectAsync_psycopg

from keyferry.backends.sql import postgresql
from keyferry.backends.sql.refusals import Refusal

T = TypeVar("T")

# By what H2 sends as SQLSTATE.
STATES: Mapping[str, Refusal] = {
    "42S02": Refusal.TABLES,
    "42S03": Refusal.TABLES,
    "42S04": Refusal.TABLES,
    "23505": Refusal.RACED,
    "90096": Refusal.RIGHTS,
    "90097": Refusal.READ_ONLY,
    "90098": Refusal.STARTING,  # the database has been closed
    "HYT00": Refusal.LOCKED,
    "40001": Refusal.LOCKED,
    "57014": Refusal.SLOW,
}


class H2Dialect(PGDialectAsync_psycopg):
    """PostgreSQL's, without the questions about the server that H2 has no answer to."""

    name = "h2"
    supports_statement_cache = True

    def initialize(self, connection: SqlalchemyConnection) -> None:  # noqa: ARG002 - it is not asked
        self.server_version_info = (8, 2, 23)  # as H2 says of itself
        self.default_schema_name = "public"
        self.default_isolation_level = "READ COMMITTED"
        self._backslash_escapes = False

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> "type[H2Dialect]":  # noqa: ARG003 - whatever it is
        return cls

    def on_connect(self) -> None:
        """Nothing to look up."""


class Connection(postgresql.Connection):
    """One that acknowledges at once what it gets: H2 sends an answer in two parts, and the second only after that.

    Linux would wait for 40 ms; a statement takes 1 ms instead of 130.
    """

    async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        return await super().wait(_acknowledged(gen, self.pgconn.socket), interval, timeout)

    @classmethod
    def refused(cls, words: str) -> Refusal:
        return Refusal.LOGIN_UNTOLD if "closed the connection" in words else super().refused(words)


def _acknowledged(gen: PQGen[T], handle: int) -> PQGen[T]:
    option = getattr(socket, "TCP_QUICKACK", None)
    ready: Any = None
    while True:
        try:
            wanted = gen.send(ready)
        except StopIteration as end:
            answer: T = end.value
            return answer
        if option is not None:  # it holds until the next packet is sent, so it is set after each
            _set(handle, option)
        ready = yield wanted


def _set(handle: int, option: int) -> None:
    plug = socket.socket(fileno=handle)
    try:
        plug.setsockopt(socket.IPPROTO_TCP, option, 1)
    finally:
        plug.detach()  # it is libpq's


def refusal_of(failure: Any) -> tuple[Refusal, str]:
    """What a failure of a connection that was good means, and the server's code."""
    code = getattr(failure, "sqlstate", None) or ""
    return (STATES[code], code) if code in STATES else postgresql.refusal_of(failure)


def waits(seconds: float) -> str:
    """The statement that lets the connection wait so long for locks."""
    return f"SET LOCK_TIMEOUT {max(1, int(seconds * 1000))}"
