"""`keyferry secret` over a real SQLite database and a cluster that is a table of objects."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar, cast

import pytest
from typer.testing import CliRunner, Result

from keyferry.api.providers import Provider
from keyferry.backends import registry
from keyferry.backends.base import Backend, Context
from keyferry.backends.sql import create
from keyferry.backends.sql.backend import SqlBackend
from keyferry.cli import commands
from keyferry.cli.stores import Surroundings
from keyferry.cli.writing import CREATED
from keyferry.kube.client import At, Json, Kube, path
from keyferry.kube.errors import Forbidden, NotFound
from keyferry.values import Entry, Ref, Scope, StoreKey, Value
from tests.contract.context import SeededCluster, context
from tests.contract.subjects.sql import SPEC

T = TypeVar("T")

SQL = {"sql": {"database": "app", "encryption": {"keySecretRef": {"name": "sql", "key": "key"}}}}
CLUSTER_SQL = {
    "sql": {"database": "app", "encryption": {"keySecretRef": {"name": "sql", "key": "key", "namespace": "payments"}}}
}
KEY = b"a key of at least 32 characters, this"
TEAM, SHARED = StoreKey("payments", "team"), StoreKey("", "shared")


def apart(work: Callable[[], T]) -> T:
    """Done in a thread of its own: `asyncio.run` would drop, unclosed, the event loop that a plugin keeps here."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


@dataclass
class FakeKube:
    """The API server's answers to GET, by path, and tokens for all who ask."""

    objects: dict[str, Json] = field(default_factory=dict)
    only_lists: set[str] = field(default_factory=set)  # the resources that may not be got one by one
    sent: list[str] = field(default_factory=list)  # all but GETs

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def one(self, api: str, resource: str, namespace: str, name: str) -> Json:
        return self.objects[path(api, resource, namespace, name).url]

    async def get(self, at: At, **_: str) -> Json:
        if at.resource in self.only_lists:
            raise Forbidden(f"403 {at.what}")
        try:
            return self.objects[at.url]
        except KeyError:
            raise NotFound(f"404 {at.what}") from None

    async def send(self, method: str, at: At, **_: Any) -> Json:
        """Tokens are all that is asked for so."""
        self.sent.append(f"{method} {at.url}")
        return {"status": {"token": "t", "expirationTimestamp": "2100-01-01T00:00:00Z"}}


@dataclass
class Cli:
    """The command, and what is around it."""

    data_dir: Path
    kube: FakeKube = field(default_factory=FakeKube)
    context_namespace: str = ""
    create: Callable[[Provider, Context], Backend] = registry.create
    database: StoreKey = TEAM
    connect: Callable[[], Awaitable[Kube]] | None = None  # None: to `kube`

    def __post_init__(self) -> None:
        self.namespace("payments")
        self.key(KEY)
        self.store(provider=SQL)

    def namespace(self, name: str, **metadata: Any) -> None:
        self.kube.objects[f"/api/v1/namespaces/{name}"] = {"metadata": {"name": name, **metadata}}

    def key(self, key: bytes) -> None:
        """What the stores' Secret holds."""
        self.kube.objects["/api/v1/namespaces/payments/secrets/sql"] = {
            "metadata": {"namespace": "payments", "name": "sql", "resourceVersion": "1"},
            "data": {"key": base64.b64encode(key).decode()},
        }

    def store(self, **spec: Any) -> None:
        """The SecretStore `team` of namespace payments."""
        self.kube.objects["/apis/keyferry.dev/v1alpha1/namespaces/payments/secretstores/team"] = {"spec": spec}

    def cluster_store(self, **spec: Any) -> None:
        """The ClusterSecretStore `shared`, whose database is looked into from now on."""
        self.database = SHARED
        self.kube.objects["/apis/keyferry.dev/v1alpha1/clustersecretstores/shared"] = {
            "spec": {"provider": CLUSTER_SQL, **spec}
        }

    def run(self, command: str, *more: str, stdin: bytes = b"", store: str = "--store team -n payments") -> Result:
        return self.called("secret", *command.split(), *more, *store.split(), stdin=stdin)

    def called(self, *command: str, stdin: bytes = b"") -> Result:
        """The whole program, as its console script calls it."""
        arguments = [*command, f"--data-dir={self.data_dir}"]
        return apart(lambda: CliRunner().invoke(commands(), arguments, input=stdin, obj=self.surroundings()))

    def done(self, command: str, *more: str, stdin: bytes = b"", store: str = "--store team -n payments") -> str:
        """What a command says that ends well."""
        result = self.run(command, *more, stdin=stdin, store=store)
        assert result.exit_code == 0, result.output
        return result.stdout

    def surroundings(self) -> Surroundings:
        async def connect() -> Kube:
            return cast("Kube", self.kube)

        return Surroundings(self.connect or connect, lambda: self.context_namespace, self.create)

    def held(self, name: str) -> bytes:
        """What the database holds under an external name."""

        async def read(backend: SqlBackend) -> bytes:
            got = (await backend.fetch([Ref(name)]))[Ref(name)]
            assert isinstance(got, Value), got
            return got.data

        return self.asked(read)

    def entries(self) -> dict[str, Entry]:
        """What is in the database, whatever the mapping."""

        async def read(backend: SqlBackend) -> dict[str, Entry]:
            return {entry.name: entry async for entry in backend.entries(Scope())}

        return self.asked(read)

    def tags(self) -> dict[str, dict[str, str]]:
        """The tags of what is in the database, but for the one that tells what Keyferry created."""
        return {
            name: {key: value for key, value in entry.tags.items() if key not in CREATED}
            for name, entry in self.entries().items()
        }

    def seed(self, name: str, **tags: str) -> None:
        """Write past the command."""

        async def write(backend: SqlBackend) -> str:
            return await backend.put(name, b"seed", tags)

        self.asked(write)

    def several(self) -> None:
        """A ClusterSecretStore with secrets of the namespace acme.payments, its parent and others."""
        self.namespace("payments", annotations={"keyferry.dev/namespace": "acme.payments"})
        self.cluster_store(prefix="p")
        self.seed("n1", prefix="p", namespace="acme.payments", key="own", tier="web")
        self.seed("n2", prefix="p", namespace="acme", key="inherited")
        self.seed("n3", prefix="p", namespace="acme", key="own")
        self.seed("n4", prefix="p", namespace="shop", key="foreign")
        self.seed("n5", prefix="other", namespace="acme.payments", key="another installation")

    def asked(self, work: Callable[[SqlBackend], Awaitable[T]]) -> T:
        cluster = SeededCluster({"sql": {"key": KEY}})
        surroundings = context(store=self.database, cluster=cluster, data_dir=self.data_dir)
        return apart(lambda: asyncio.run(cast("Coroutine[Any, Any, T]", work(create(SPEC, surroundings)))))


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)
