"""The tables, the same in every SQL database."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table, Text

VERSION = 1
SCHEME = "keyferry/sql/1"  # of the encryption
LONGEST_NAME = 1024  # characters, as long as a remoteRef's key

metadata = MetaData()

meta = Table(
    "keyferry_meta",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # there is one row, and its id is 1
    Column("schema_version", Integer, nullable=False),
    Column("database_id", String(64), nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("key_check", LargeBinary, nullable=False),
)

# What a sweep reads comes before what only a fetch reads: SQLite then never touches the pages of a long ciphertext.
# A deleted secret's row stays, without nonce and ciphertext, so that its version goes on when it is made again.
secret = Table(
    "keyferry_secret",
    metadata,
    Column("name", String(LONGEST_NAME), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("tags", Text, nullable=False),  # a JSON object, its keys sorted
    Column("updated_at", BigInteger, nullable=False),  # seconds since the epoch
    Column("nonce", LargeBinary),
    Column("ciphertext", LargeBinary),
)
