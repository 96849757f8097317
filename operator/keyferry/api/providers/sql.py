"""A SQL table with encrypted values."""

from typing import Annotated, ClassVar

from pydantic import Field

from keyferry.api.model import Form, Model
from keyferry.api.providers.references import SecretKeyRef


class SqlEncryption(Model):
    """How values are encrypted in the table."""

    key_secret_ref: SecretKeyRef = Field(
        description="Where the key is: any text of at least 32 characters. Whoever loses it loses the values."
    )


class Sql(Model):
    """A table in a SQL database; for now in SQLite, kept by the operator in its data folder."""

    tagged: ClassVar[bool] = True

    database: Annotated[
        str,
        Field(min_length=1, max_length=63),
        Form(
            r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
            "write a name, never a path: lower-case letters, digits and -, with a letter or digit at both ends",
        ),
    ] = Field(description="The database's name, never a path. A SecretStore's databases are its namespace's own.")
    encryption: SqlEncryption = Field(description="The key that encrypts the values.")
