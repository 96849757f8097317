"""Where a server is, and what logs in there."""

from dataclasses import dataclass, field

from keyferry.api.providers.references import SecretKeyRef
from keyferry.api.providers.sql import H2, Mysql, Postgresql, Sql
from keyferry.backends.address import checked_address
from keyferry.backends.base import Context
from keyferry.errors import CredentialsMissing, SpecInvalid

_WORDS = {"postgresql": "PostgreSQL", "mysql": "MySQL", "h2": "H2"}


@dataclass(frozen=True, slots=True)
class ServerPlace:
    """A database of a server, and what it is called in messages."""

    scheme: str  # of SERVERS
    host: str
    port: int
    database: str
    schema: str | None
    tls: bool

    @property
    def address(self) -> str:
        """As `--allow-endpoint` knows it."""
        return f"{self.scheme}://{self._host}:{self.port}"

    @property
    def remedy(self) -> str:
        return "move the tables away"

    @property
    def ddl(self) -> str:
        """The command that prints the statements which make its tables."""
        return f"keyferry sql ddl --dialect {self.scheme}" + (f" --schema {self.schema}" if self.schema else "")

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return f"{_WORDS[self.scheme]} database {self.database} at {self._host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Login:
    """As whom, and whom to trust to be the server."""

    user: str
    password: str = field(repr=False)
    source: str  # such as: Secret payments/db
    authority: bytes | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """As messages call it."""
        return f"user {self.user} of {self.source}"


def place_on_server(spec: Sql, context: Context) -> ServerPlace | None:
    """Where the store's database is; None where that is no server. Raises SpecInvalid."""
    servers = {"postgresql": spec.postgresql, "mysql": spec.mysql, "h2": spec.h2}
    given = [(scheme, server) for scheme, server in servers.items() if server]
    if len(given) + (spec.database is not None) != 1:
        raise SpecInvalid("spec.provider.sql: give one of database, postgresql, mysql, h2")
    if not given:
        return None
    ((scheme, server),) = given
    tls = _tls(spec, server)
    schema = server.schema_ if isinstance(server, Postgresql) else None
    place = ServerPlace(scheme, server.host, server.port, server.database, schema, tls)
    checked_address(f"spec.provider.sql.{scheme}", place.address, context.endpoint_allowed, scheme=scheme)
    return place


async def login_of(spec: Sql, context: Context) -> Login:
    """What logs in, read anew. Raises CredentialsMissing."""
    if spec.auth is None:
        raise SpecInvalid("spec.provider.sql: give auth")
    ref = spec.auth.secret_ref
    source = f"Secret {ref.namespace or context.store.namespace}/{ref.name}"
    user = await _word(ref.model_copy(update={"key": spec.auth.username_key}), context, source)
    password = await _word(ref, context, source)
    authority = await context.cluster.authority(spec.ca_provider) if spec.ca_provider else None
    return Login(user, password, source, authority)


def _tls(spec: Sql, server: Postgresql | Mysql | H2) -> bool:
    if spec.tls == "Disabled":
        return False
    if isinstance(server, H2):
        raise SpecInvalid("spec.provider.sql.tls: H2's PostgreSQL port knows no TLS: say tls: Disabled")
    return True


async def _word(ref: SecretKeyRef, context: Context, source: str) -> str:
    """A line end after it is no part of it: files have one."""
    try:
        word = (await context.cluster.secret(ref)).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        word = ""
    if not word or "\0" in word:
        raise CredentialsMissing(f"{source}, key {ref.key}, holds nothing, or what is no text")
    return word
