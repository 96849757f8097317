"""The nouns of the journey: which secret (`Ref`, `Entry`), what it holds (`Value`), whose it is (`Key`, `StoreKey`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from keyferry.errors import SyncError


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A namespaced object of Kubernetes."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class StoreKey:
    """A SecretStore, or a ClusterSecretStore when `namespace` is empty."""

    namespace: str
    name: str

    @property
    def kind(self) -> str:
        return "SecretStore" if self.namespace else "ClusterSecretStore"

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """One external secret as its backend names it, at the version that a user asked for."""

    id: str  # the backend's own identity: a name, a path, an ARN
    version: str = ""  # "" is the current one


@dataclass(frozen=True, slots=True)
class Value:
    """What an external secret holds, and the version that it was read at."""

    data: bytes = field(repr=False)  # a value never reaches a log, a traceback or a test diff
    version: str
    # Where it is a map of bytes, and `data` no more than a picture of it: what properties are picked from.
    members: Mapping[str, bytes] | None = field(default=None, repr=False, compare=False)

    @property
    def size(self) -> int:
        """Bytes that it takes in memory."""
        return len(self.data) + sum(map(len, (self.members or {}).values()))


Fetched = Value | SyncError


@dataclass(frozen=True, slots=True)
class Token:
    """A ServiceAccount's token."""

    text: str = field(repr=False)
    expires_at: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class ApiServer:
    """Where a cluster's API server is, and how it is known. Never who asks."""

    url: str
    authority: bytes | None = None  # certificates in PEM; None: those that the operator trusts anyway


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a backend's catalogue: everything about an external secret but its value."""

    id: str  # what `Ref.id` takes
    name: str  # what mappings by name and path go by
    versions: Mapping[
        str, str
    ]  # label -> version; "" is the current one, absent when there is no value yet; version "": unknown
    tags: Mapping[str, str]
    unclear: str = ""  # why its tags cannot be believed; then there is an entry for each way to read them


@dataclass(frozen=True, slots=True)
class Scope:
    """What of a catalogue matters to a store, so that a backend can filter at its end. It may answer with more."""

    name_prefix: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)  # "" as a value: the tag is there, whatever it says


@dataclass(frozen=True, slots=True, order=True)
class Lookup:
    """A key that a namespace asks for, at a version; "" is the current one."""

    key: str
    version: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Search:
    """What a namespace searches for. Empty parts ask for nothing."""

    regexp: str = ""
    path: str = ""
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The external secret that answers for a key, and the version that is there."""

    key: str
    ref: Ref
    version: str
    value: Value | None = None  # where the backend can tell the version only by telling the value


Looked = Mapping[Lookup | Search, tuple[Found, ...] | SyncError]  # a Lookup finds just one
