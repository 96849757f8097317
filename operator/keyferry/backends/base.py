"""The contract between Keyferry and a secret backend, stated from the caller's side."""

import enum
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from keyferry.api.providers.references import CaProvider, SecretKeyRef, ServiceAccountRef
from keyferry.api.store import StoreProxy
from keyferry.values import ApiServer, Entry, Fetched, Ref, Scope, StoreKey, Token

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Access:
    """What a login may do. `lacking` says in words which permission is missing and what that costs."""

    listing: bool = True  # the catalogue can be read
    batching: bool | None = True  # several values come with one call; None: the backend knows no such call
    lacking: tuple[str, ...] = ()
    notice: str = ""  # what to know of the backend though nothing lacks


class Backend(Protocol):
    """Reads values."""

    batch: int  # how many refs one call can answer at most, as things are permitted now

    async def check(self) -> Access:
        """Log in and find out what is allowed, in one or two calls. Raises SyncError where nothing is."""

    async def fetch(self, refs: Collection[Ref]) -> Mapping[Ref, Fetched]:
        """Answer for every ref. An expected failure is an answer; what is raised is a bug."""

    async def aclose(self) -> None:
        """Let go of connections, threads and files."""


@runtime_checkable
class Catalogue(Protocol):
    """Backends that can tell what is there, and what changed, without reading a value."""

    def sweep_calls(self, entries: int) -> int:
        """How many calls it takes to list so many entries, as far as is known."""

    def entries(self, scope: Scope) -> AsyncIterator[Entry]:
        """Every entry in the scope, perhaps more. Raises SyncError; then what came before is not to be trusted."""


@runtime_checkable
class Minter(Protocol):
    """Backends where reading a secret may make a new one: it is read where the catalogue shows news, never to look."""

    mints: bool


@runtime_checkable
class Writer(Protocol):
    """Backends that can be written to."""

    tagged: bool  # whether secrets have tags

    async def put(self, name: str, data: bytes, tags: Mapping[str, str]) -> str:
        """Create or update the secret, with just these tags; returns its new version. Raises SyncError."""

    async def delete(self, name: str) -> None:
        """Delete the secret. Raises SecretMissing when there is none."""


class Heard(enum.Enum):
    """A word of a source of hints. There is no other: a hint is never trusted for content."""

    NOTHING = enum.auto()  # the source works
    CHANGE = enum.auto()  # something changed


@runtime_checkable
class Hints(Protocol):
    """Backends that can be heard saying that something changed."""

    def hints(self) -> AsyncGenerator[Heard, None] | None:
        """What the source says from now on, at least a word a minute; None where the spec names no source.

        A CHANGE for each change that is told. Going on means that it was taken: then its message may be deleted. Raises
        SyncError, or ends, when it breaks; whoever listens calls this again after a while.
        """


@runtime_checkable
class Restorer(Protocol):
    """Backends where what was deleted can be had back for some time."""

    async def restore(self, name: str) -> str:
        """Take the deletion back; the version that is current again. Raises SyncError where that cannot be."""


@runtime_checkable
class Namer(Protocol):
    """Backends where a secret cannot be named by a path."""

    def name_of(self, parts: Sequence[str]) -> str:
        """The name of a new secret that belongs to a place with these parts. No two places have one name."""


class Calls(Protocol):
    """The store's budget: every call that leaves the process goes through it."""

    async def __call__(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        """Run `call` when the budget allows, within the store's timeout. A `Throttled` that it raises slows the store.

        Raises what `call` raises, and BackendUnavailable when it takes too long.
        """

    async def beside(self, operation: str, call: Callable[[], Awaitable[T]], *, within: float) -> T:
        """Run `call` at once: one that waits for something to happen, and must not keep reads waiting meanwhile.

        It takes nothing of the budget, slows nothing down, and has so many seconds.
        """


class Cluster(Protocol):
    """What a backend may ask of the cluster, already bound to what its store may name."""

    async def secret(self, ref: SecretKeyRef) -> bytes:
        """One key of a Secret. Raises CredentialsMissing that names what is not there."""

    async def authority(self, ref: CaProvider) -> bytes:
        """Certificates to trust, of a Secret or ConfigMap. Raises CredentialsMissing that names what is not there."""

    async def token(self, ref: ServiceAccountRef, audience: str) -> Token:
        """A fresh token of a ServiceAccount, which must allow tokens for that audience (TokenNotAllowed).

        Raises CredentialsMissing when there is no such account. Without an audience it is the API server's own: such a
        token must be sent nowhere else.
        """

    def api_server(self) -> ApiServer:
        """Where this cluster's API server is. Raises SyncError where there is none."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a backend is made with, apart from its own part of the spec."""

    store: StoreKey
    cluster: Cluster
    call: Calls
    timeout: float  # seconds, of one call
    concurrency: int  # calls at once
    data_dir: Path  # where backends that keep files keep them
    ambient: bool  # may this store use the operator's own credentials?
    endpoint_allowed: Callable[[str], bool]  # may this store send requests to this URL?
    proxy: StoreProxy | None = None  # of the store's spec; `backends.route` makes the way out of it
    scope: Scope = field(default_factory=Scope)  # what of the backend its mapping can reach


__all__ = [
    "Access",
    "Backend",
    "Calls",
    "Catalogue",
    "Cluster",
    "Context",
    "Heard",
    "Hints",
    "Minter",
    "Namer",
    "Restorer",
    "Token",
    "Writer",
]
