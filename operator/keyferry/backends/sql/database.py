"""What the backend asks of a database, whichever it is, and how a database knows its key."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from keyferry.backends.cipher import Cipher, Vault
from keyferry.backends.sql import schema
from keyferry.backends.sql.login import Login
from keyferry.backends.sql.table import Table
from keyferry.errors import AuthFailed, BackendUnavailable

T = TypeVar("T")
Work = Callable[[Table], Awaitable[T]]


class Place(Protocol):
    """Where a database is."""

    def __str__(self) -> str:
        """What it is called in messages."""

    @property
    def remedy(self) -> str:
        """What to do with a database that Keyferry does not understand."""


class Database(Protocol):
    """The tables of one store."""

    def same(self, login: Login | None, key: "Key") -> bool:
        """Whether this is the database under just these."""

    async def knock(self) -> None:
        """Log in as if for the first time, where there is anything to log in to. Raises SyncError."""

    async def run(self, work: Work[T], *, write: bool = False) -> T:
        """Work in one transaction: what is written is there as a whole when it ends well. Raises SyncError."""

    async def aclose(self) -> None:
        """Let go of all connections, of those in use as soon as their work ends."""


@dataclass(frozen=True, slots=True)
class Key:
    """The key of a database, and where it is from."""

    material: bytes = field(repr=False)
    source: str  # such as: Secret payments/sql, key key


async def meta_row(connection: AsyncConnection) -> tuple[Any, ...] | None:
    """What the database says of itself; None where it says nothing."""
    meta = schema.meta.c
    columns = (meta.schema_version, meta.database_id, meta.salt, meta.key_check)
    row = (await connection.execute(select(*columns).where(meta.id == 1))).first()
    return None if row is None else tuple(row)


def cipher_of(row: tuple[Any, ...] | None, key: Key, place: Place) -> Cipher:
    """The cipher of a database that says this of itself. Raises SyncError where it knows another schema or key."""
    if row is None or row[0] != schema.VERSION:
        found = "has no" if row is None else f"has the unknown version {row[0]!r:.20} of the"
        raise BackendUnavailable(
            f"{place} {found} schema, where this Keyferry knows version {schema.VERSION}; use the Keyferry that wrote "
            f"it, or {place.remedy}"
        )
    _, database_id, salt, key_check = row
    whole = isinstance(database_id, str) and isinstance(salt, bytes) and isinstance(key_check, bytes)
    vault = Vault(schema.SCHEME, database_id, salt, key_check) if whole else None
    cipher = vault.cipher(key.material) if vault else None
    if cipher is None:
        raise AuthFailed(
            f"{place}: {key.source} does not hold the key that the database was made with; put that key back, or name "
            "another database"
        )
    return cipher
