"""`keyferry sql`: what an administrator of a SQL database needs who lets nobody else make tables."""

import re
from enum import StrEnum
from typing import Annotated

import typer

from keyferry.cli.options import fail

app = typer.Typer(no_args_is_help=True, help="For administrators of the databases behind SQL stores.")

_SCHEMA = re.compile(r"[A-Za-z0-9_]{1,48}")  # as the store's own field has it


class Dialect(StrEnum):
    """A kind of database, as a store names it."""

    POSTGRESQL = "postgresql"
    MYSQL = "mysql"
    H2 = "h2"


@app.callback()
def group() -> None:
    """A single command would else be the group itself."""


@app.command()
def ddl(
    *,
    dialect: Annotated[Dialect, typer.Option(help="Of which kind the database is; mysql is MariaDB's, too.")],
    schema: Annotated[
        str, typer.Option(metavar="NAME", help="PostgreSQL: the schema of the tables, as in the store.")
    ] = "",
) -> None:
    """Print the statements that make the tables, as Keyferry itself makes them where it may. It holds no value."""
    if schema and dialect is not Dialect.POSTGRESQL:
        raise typer.BadParameter("--schema is for PostgreSQL: elsewhere the database says it all")
    if schema and not _SCHEMA.fullmatch(schema):
        raise typer.BadParameter("--schema: write a name of at most 48 letters, digits and _")
    try:
        from keyferry.backends.sql import ddl as tables  # noqa: PLC0415 - SQLAlchemy, which no other command needs
    except ModuleNotFoundError as missing:
        fail(f"this Keyferry lacks {missing.name}; install keyferry[sql]")
    typer.echo("\n\n".join(f"{statement};" for statement in tables.statements(dialect.value, schema or None)))
