"""The tables, the same in every SQL database but for what each calls its types."""

from typing import Any

from sqlalchemy import BigInteger, Column, Dialect, Integer, LargeBinary, MetaData, String, Table, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator, TypeEngine

VERSION = 1
SCHEME = "keyferry/sql/1"  # of the encryption
LONGEST_NAME = 1024  # characters, as long as a remoteRef's key
LONGEST_BYTES = 2048  # of a name in UTF-8, on a server: what an index can hold (PostgreSQL: 2,692; InnoDB: 3,072)

_INNODB: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


class Name(TypeDecorator[str]):
    """A secret's name, compared and ordered by its characters everywhere: no case, accent or end of it is ignored.

    MySQL has it as bytes: its collations take `a` and `a ` for one, and its indices are too short for all characters.
    """

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "mysql":
            return dialect.type_descriptor(mysql.VARBINARY(LONGEST_BYTES))
        return dialect.type_descriptor(String(LONGEST_NAME, "C" if dialect.name == "postgresql" else None))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        return value.encode() if value is not None and dialect.name == "mysql" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 - bytes tell it
        # Bytes that are no UTF-8 spoil their own row, whose ciphertext does not open then, and not the whole answer.
        return value.decode(errors="replace") if isinstance(value, bytes) else value

    def units(self, text: str, dialect: Dialect) -> int:
        """How long the database finds the text: bytes, UTF-16 or characters."""
        if dialect.name == "mysql":
            return len(text.encode())
        return len(text.encode("utf-16-le")) // 2 if dialect.name == "h2" else len(text)


metadata = MetaData()

meta = Table(
    "keyferry_meta",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # there is one row, and its id is 1
    Column("schema_version", Integer, nullable=False),
    Column("database_id", String(64), nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("key_check", LargeBinary, nullable=False),
    **_INNODB,
)

# What a sweep reads comes before what only a fetch reads: SQLite then never touches the pages of a long ciphertext.
# A deleted secret's row stays, without nonce and ciphertext, so that its version goes on when it is made again.
secret = Table(
    "keyferry_secret",
    metadata,
    Column("name", Name, primary_key=True),
    Column("version", BigInteger, nullable=False),
    # A JSON object, its keys sorted.
    Column("tags", Text().with_variant(mysql.MEDIUMTEXT(), "mysql"), nullable=False),
    Column("updated_at", BigInteger, nullable=False),  # seconds since the epoch
    Column("nonce", LargeBinary),
    Column("ciphertext", LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql")),
    **_INNODB,
)
