"""Secrets as encrypted rows of a SQL table: in SQLite files that the operator keeps, or in a database on a server.

`place` and `sqlite` are about files: where they are, how they are made and opened. `login` and `server` are about
servers: where they are and who logs in, a pool of connections, how tables come about (`ddl`); `postgresql`, `mysql` and
`h2` have what is each one's own, `refusals` what they refuse in our words, `listening` what PostgreSQL tells.
`schema` and `table` hold what all databases have in common, `backends/cipher.py` what none is trusted with.
Nothing but this module may be imported before the first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from keyferry.api.providers.sql import Sql
from keyferry.backends.base import Context

if TYPE_CHECKING:
    from keyferry.backends.sql.backend import SqlBackend


def create(spec: Sql, context: Context) -> "SqlBackend":
    """The backend, which touches nothing before it is first asked. Raises SpecInvalid for what makes no sense."""
    from keyferry.backends.sql.backend import SqlBackend  # noqa: PLC0415 - SQLAlchemy costs a third of a second

    if spec.database is None:
        import_module(f"{__name__}.server")  # a driver that is missing is told now, and costs nothing with SQLite
    return SqlBackend(spec, context)
