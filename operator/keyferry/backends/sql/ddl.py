"""The statements that make the tables, as the backend runs them and `keyferry sql ddl` prints them."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.schema import CreateTable

from keyferry.backends.sql import schema
from keyferry.backends.sql.h2 import H2Dialect

TRIGGER = "keyferry_told"
_DIALECTS: dict[str, type[Dialect]] = {
    "postgresql": postgresql.dialect,
    "mysql": mysql.dialect,
    "h2": H2Dialect,
}

# For each statement that changes the table, whoever sends it; of one transaction only the first is told, when it is
# committed. The name of the channel is all that is told.
_TOLD = f"""CREATE OR REPLACE FUNCTION {{schema}}keyferry_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_catalog.pg_notify('keyferry_' || TG_TABLE_SCHEMA, '');
    RETURN NULL;
END
$$
--
DROP TRIGGER IF EXISTS {TRIGGER} ON {{schema}}keyferry_secret
--
CREATE TRIGGER {TRIGGER} AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {{schema}}keyferry_secret
    FOR EACH STATEMENT EXECUTE FUNCTION {{schema}}keyferry_tell()"""


def statements(scheme: str, into: str | None = None) -> Iterator[str]:
    """Each, without a semicolon. `into`: PostgreSQL's schema. What is there already stays as it is."""
    dialect = _DIALECTS[scheme]()
    if into:
        yield f"CREATE SCHEMA IF NOT EXISTS {dialect.identifier_preparer.quote_schema(into)}"
    translated: dict[str, Any] = {"schema_translate_map": {None: into}, "render_schema_translate": True} if into else {}
    for table in schema.metadata.sorted_tables:
        made = CreateTable(table, if_not_exists=True).compile(dialect=dialect, **translated)
        yield "\n".join(line.rstrip() for line in str(made).strip().splitlines()).replace("\t", "    ")
    if scheme == "postgresql":
        yield from _TOLD.format(schema=f"{dialect.identifier_preparer.quote_schema(into)}." if into else "").split(
            "\n--\n"
        )
