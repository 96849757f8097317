"""Secrets as encrypted rows of a SQL table; for now in SQLite files that the operator keeps in its data folder.

`place` says where a file is, `sqlite` opens and makes it, `schema` and `table` hold what every SQL database has in
common, `backends/cipher.py` what no database is trusted with. Nothing but this module may be imported before the
first use.
"""

from typing import TYPE_CHECKING

from keyferry.api.providers.sql import Sql
from keyferry.backends.base import Context

if TYPE_CHECKING:
    from keyferry.backends.sql.backend import SqlBackend


def create(spec: Sql, context: Context) -> "SqlBackend":
    """The backend, which touches no file before it is first asked. Raises SpecInvalid for a name that is no name."""
    from keyferry.backends.sql.backend import SqlBackend  # noqa: PLC0415 - SQLAlchemy costs a third of a second

    return SqlBackend(spec, context)
