"""The statements, in the SQL that all databases share. Each runs inside a transaction that its caller opened."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from keyferry.backends.cipher import Cipher, Identity, Sealed
from keyferry.backends.sql.schema import LONGEST_BYTES, LONGEST_NAME, Name, secret
from keyferry.values import Entry, Value

_UNMADE = 0  # the version of a row that is being made; nobody but who makes it ever sees it


@dataclass(frozen=True, slots=True)
class Listed:
    """A row as a sweep sees it."""

    name: str
    entry: Entry | None  # None: its tags or its version are none


@dataclass(frozen=True, slots=True)
class Table:
    """The secrets of one database, within one transaction."""

    connection: AsyncConnection
    cipher: Cipher

    async def read(self, names: Collection[str]) -> dict[str, Value | None]:
        """The values that are there; None for a row that is not as it was written."""
        columns = (secret.c.name, secret.c.version, secret.c.tags, secret.c.nonce, secret.c.ciphertext)
        rows = await self.connection.execute(
            select(*columns).where(secret.c.name.in_(names), secret.c.nonce.is_not(None))
        )
        return {row[0]: self._opened(*row) for row in rows}

    async def largest(self) -> int:
        """Bytes of the largest value; 0 where there is none."""
        return int((await self.connection.execute(select(func.max(func.length(secret.c.ciphertext))))).scalar() or 0)

    def _opened(self, name: str, version: Any, tags: Any, nonce: Any, ciphertext: Any) -> Value | None:
        # SQLite keeps any type in any column, so whoever writes past us can leave anything there.
        parsed = parsed_tags(tags)
        if parsed is None or not (
            isinstance(version, int) and isinstance(nonce, bytes) and isinstance(ciphertext, bytes)
        ):
            return None
        data = self.cipher.open(Identity(name, version, parsed), Sealed(nonce, ciphertext))
        return None if data is None else Value(data, str(version))

    async def page(self, after: str, prefix: str, size: int) -> list[Listed]:
        """The rows whose names follow `after` and start with the prefix, in the order of their names."""
        name = secret.c.name
        query = select(name, secret.c.version, secret.c.tags).where(secret.c.nonce.is_not(None), name > after)
        if prefix:  # the comparison finds the place in the index; LIKE would not tell `a` from `A` everywhere
            length = Name().units(prefix, self.connection.dialect)
            query = query.where(name >= prefix, func.substr(name, 1, length, type_=Name()) == prefix)
        return [_listed(*row) for row in await self.connection.execute(query.order_by(name).limit(size))]

    async def put(self, name: str, data: bytes, tags: Mapping[str, str], *, now: int) -> int:
        """Write the row and return its new version."""
        await self._claim(name)
        found = await self.connection.execute(select(secret.c.version).where(secret.c.name == name).with_for_update())
        version = _next(found.scalar_one(), now)
        sealed = self.cipher.seal(Identity(name, version, tags), data)
        values = {
            "version": version,
            "tags": json.dumps(dict(tags), sort_keys=True),
            "updated_at": now,
            "nonce": sealed.nonce,
            "ciphertext": sealed.ciphertext,
        }
        await self.connection.execute(secret.update().where(secret.c.name == name).values(values))
        return version

    async def _claim(self, name: str) -> None:
        """See to it that there is a row to lock: of two who make a secret at once, the second waits for the first."""
        empty = {"name": name, "version": _UNMADE, "tags": "{}", "updated_at": 0}
        if self.connection.dialect.name == "mysql":
            # Not INSERT IGNORE: two who share the lock that it takes would both wait for the other.
            made = mysql.insert(secret).values(empty)
            await self.connection.execute(made.on_duplicate_key_update(name=secret.c.name))
            return
        insert = sqlite.insert if self.connection.dialect.name == "sqlite" else postgresql.insert
        await self.connection.execute(insert(secret).values(empty).on_conflict_do_nothing())

    async def delete(self, name: str, *, now: int) -> bool:
        """Whether there was a value to delete. The row stays, so that its version goes on."""
        gone = {"tags": "{}", "updated_at": now, "nonce": None, "ciphertext": None}
        there = secret.update().where(secret.c.name == name, secret.c.nonce.is_not(None))
        return (await self.connection.execute(there.values(gone))).rowcount > 0


def is_name(name: str, *, indexed: bool = False) -> bool:
    """Whether a secret can have this name. `indexed`: on a server, whose indices limit its bytes as well."""
    printable = 0 < len(name) <= LONGEST_NAME and name.isprintable()
    return printable and (not indexed or len(name.encode()) <= LONGEST_BYTES)


def parsed_tags(text: Any) -> dict[str, str] | None:
    """The tags of a row; None when they are none."""
    try:
        tags = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        return None
    return tags


def _listed(name: Any, version: Any, tags: Any) -> Listed:
    parsed = parsed_tags(tags)
    if parsed is None or not isinstance(name, str) or not isinstance(version, int):
        return Listed(str(name), None)
    return Listed(name, Entry(name, name, {"": str(version), str(version): str(version)}, parsed))


def _next(version: Any, now: int) -> int:
    """The version after this one. A new name starts at the time, not at 1.

    Where a database is lost and filled again, no version may return: what was read before would pass for current.
    """
    return version + 1 if isinstance(version, int) and version != _UNMADE else now
