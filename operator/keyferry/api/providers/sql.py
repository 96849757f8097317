"""A SQL table with encrypted values."""

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from keyferry.api.model import WHOLE, Form, Model, ReferredKey, given, rule, rules
from keyferry.api.providers.references import CaProvider, SecretKeyRef

SERVERS = ("postgresql", "mysql", "h2")
DIALECTS = ("database", *SERVERS)

# Of nothing that a driver takes for something else: a list of hosts, a folder of sockets, a path, a file.
Host = Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z0-9:][-A-Za-z0-9.:]*$")]
DatabaseName = Annotated[str, Field(max_length=63, pattern=r"^[-A-Za-z0-9_]+$")]
SchemaName = Annotated[str, Field(max_length=48, pattern=r"^[A-Za-z0-9_]+$")]
Port = Annotated[int, Field(ge=1, le=65535)]


class SqlEncryption(Model):
    """How values are encrypted in the table."""

    key_secret_ref: SecretKeyRef = Field(
        description="Where the key is: any text of at least 32 characters. Whoever loses it loses the values."
    )


class Server(Model):
    """A database of a server."""

    model_config = ConfigDict(json_schema_extra=WHOLE)

    host: Host = Field(description="A name or IP address.")
    port: Port
    database: DatabaseName = Field(description="Its name.")


class Postgresql(Server):
    """A database of a PostgreSQL server."""

    port: Port = Field(5432, description="Default: 5432.")
    schema_: SchemaName | None = Field(None, alias="schema", description="The tables' schema. Default: by search_path.")


class Mysql(Server):
    """A database of a MySQL or MariaDB server."""

    port: Port = Field(3306, description="Default: 3306.")


class H2(Server):
    """A database of an H2 server, by its PostgreSQL port."""

    port: Port = Field(5435, description="Default: 5435.")


class SqlAuth(Model):
    """How to log in to the server."""

    model_config = ConfigDict(json_schema_extra=WHOLE)

    secret_ref: SecretKeyRef = Field(description="Where the password is.")
    username_key: ReferredKey = Field("username", description="The key of the user's name there. Default: username.")


class Sql(Model):
    """A table in a SQL database."""

    tagged: ClassVar[bool] = True
    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(f"{given(*DIALECTS)} == 1", f"give one of {', '.join(DIALECTS)}"),
            rule(
                "has(self.auth) ? !has(self.database) : has(self.database) && !has(self.tls) && !has(self.caProvider)",
                "give auth with a server; leave it, tls and caProvider out with SQLite",
            ),
            rule(
                "has(self.tls) && self.tls == 'Disabled' ? !has(self.caProvider) : !has(self.h2)",
                "say tls: Disabled with H2, which knows no TLS, and caProvider only without that",
            ),
        )
    )

    database: (
        Annotated[
            str,
            Field(min_length=1, max_length=63),
            Form(
                r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
                "write a name, never a path: lower-case letters, digits and -, with a letter or digit at both ends",
            ),
        ]
        | None
    ) = Field(
        None,
        description="SQLite: the database's name, never a path. A SecretStore's databases are its namespace's own.",
    )
    postgresql: Postgresql | None = Field(None, description="PostgreSQL.")
    mysql: Mysql | None = Field(None, description="MySQL or MariaDB.")
    h2: H2 | None = Field(None, description="H2, by the port of its option -pg.")
    auth: SqlAuth | None = Field(None, description="How to log in to the server.")
    tls: Literal["Verified", "Disabled"] | None = Field(
        None,
        description="Disabled: in clear, for all on the way. Default: Verified.",
    )
    ca_provider: CaProvider | None = Field(None, description="The only certificates to trust.")
    encryption: SqlEncryption = Field(description="The key that encrypts the values.")
