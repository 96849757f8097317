"""Azure Key Vault, on its stand-in."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from keyferry.backends.azure import AzureBackend
from keyferry.backends.azure.names import encoded
from keyferry.errors import AuthFailed, SecretUnusable, SyncError
from keyferry.values import Ref
from tests.contract.azure_stores import cluster, store
from tests.contract.subject import Subject
from tests.standins.azure import AzureStandIn


class AzureSubject:
    """A vault that an application reads. Its clock goes on after every change, so that all that it tells is settled."""

    wrong_login: type[SyncError] = AuthFailed
    batches = False
    tags = restores = True

    def __init__(self, azure: AzureStandIn) -> None:
        self._azure = azure

    def backend(self, *, timeout: float = 10.0, wrong_login: bool = False) -> AzureBackend:
        login = {"secret": b"not-the-secret"} if wrong_login else {}
        return store(self._azure, cluster=cluster(self._azure, **login), timeout=timeout)

    def as_read(self, data: bytes) -> bytes:
        return data

    def holds(self, data: bytes) -> bool:
        """Key Vault holds text, up to 25 KiB."""
        try:
            data.decode()
        except UnicodeDecodeError:
            return False
        return len(data) <= 25 * 1024

    async def put(self, name: str, data: bytes, tags: Mapping[str, str]) -> Ref:
        self._azure.put(encoded(name), data.decode(), tags)
        self.later()
        return Ref(name)

    def later(self) -> None:
        """Key Vault tells changes by the second."""
        self._azure.vaults.clock.advance(60)

    async def delete(self, name: str) -> None:
        self._azure.delete(encoded(name))

    @asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        self._azure.down()
        try:
            yield
        finally:
            self._azure.up()

    @asynccontextmanager
    async def silence(self) -> AsyncIterator[None]:
        with self._azure.faults.silence():
            yield

    @asynccontextmanager
    async def spoiled(self, ref: Ref) -> AsyncIterator[type[SyncError]]:
        self._azure.change(encoded(ref.id), enabled=False, touched=False)
        yield SecretUnusable
        self._azure.change(encoded(ref.id), enabled=True, touched=False)


@asynccontextmanager
async def open_subject(folder: Path) -> AsyncIterator[Subject]:
    with AzureStandIn() as azure:
        yield AzureSubject(azure)
