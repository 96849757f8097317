"""Google Secret Manager, on its stand-in."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from keyferry.backends.gcp import GcpBackend
from keyferry.errors import AuthFailed, SecretUnusable, SyncError
from keyferry.values import Ref
from tests.contract.gcp_stores import store
from tests.contract.subject import Subject
from tests.standins.gcp import GcpStandIn
from tests.standins.gcp_iam import Iam


class GcpSubject:
    """A project that a service account with a key reads."""

    wrong_login: type[SyncError] = AuthFailed
    batches = restores = False
    tags = True

    def __init__(self, gcp: GcpStandIn) -> None:
        self._gcp = gcp
        self._stranger = Iam("acme-prod").account("admin")  # the same e-mail, another key

    def backend(self, *, timeout: float = 10.0, wrong_login: bool = False) -> GcpBackend:
        key = self._stranger.key_file() if wrong_login else None
        return store(self._gcp, key=key, timeout=timeout)

    def as_read(self, data: bytes) -> bytes:
        return data

    async def put(self, name: str, data: bytes, tags: Mapping[str, str]) -> Ref:
        plain = {key: value for key, value in tags.items() if value.isascii()}
        self._gcp.put(name, data, plain, annotations=dict(tags.items() - plain.items()))
        return Ref(name)

    async def delete(self, name: str) -> None:
        self._gcp.delete(name)

    @asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        self._gcp.down()
        try:
            yield
        finally:
            self._gcp.up()

    @asynccontextmanager
    async def silence(self) -> AsyncIterator[None]:
        with self._gcp.faults.silence():
            yield

    @asynccontextmanager
    async def spoiled(self, ref: Ref) -> AsyncIterator[type[SyncError]]:
        self._gcp.disable(ref.id)
        yield SecretUnusable
        self._gcp.enable(ref.id)


@asynccontextmanager
async def open_subject(folder: Path) -> AsyncIterator[Subject]:
    with GcpStandIn() as gcp:
        gcp.secrets.page_limit = 50  # as Google may: less than was asked for
        yield GcpSubject(gcp)
