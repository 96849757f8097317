"""HCP Vault Secrets, on its stand-in: static secrets; what others are like is in tests of their own."""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from keyferry.backends.hcp import HcpBackend
from keyferry.errors import AuthFailed, SecretUnusable, SyncError
from keyferry.values import Ref
from tests.contract.hcp_stores import holding, store
from tests.contract.subject import Subject
from tests.standins.hcp import HcpStandIn
from tests.standins.hcp_secrets import LONGEST_VALUE


class HcpSubject:
    """An app that a service principal reads."""

    wrong_login: type[SyncError] = AuthFailed
    batches = True
    tags = False
    restores = False

    def __init__(self, hcp: HcpStandIn) -> None:
        self._hcp = hcp
        self._login = hcp.service_principal()

    def holds(self, data: bytes) -> bool:
        return len(self.as_read(data)) <= LONGEST_VALUE

    def as_read(self, data: bytes) -> bytes:
        """HCP keeps text."""
        try:
            data.decode()
        except UnicodeDecodeError:
            return base64.b64encode(data)
        return data

    def backend(self, *, timeout: float = 10.0, wrong_login: bool = False) -> HcpBackend:
        login = self._login | ({"clientSecret": "another"} if wrong_login else {})
        return store(self._hcp, cluster=holding(self._hcp, **login), timeout=timeout)

    async def put(self, name: str, data: bytes, _: Mapping[str, str]) -> Ref:
        return Ref(self._hcp.put(name, self.as_read(data).decode()))

    async def delete(self, name: str) -> None:
        del self._hcp.app.secrets[name]

    @asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        self._hcp.wire.down()
        try:
            yield
        finally:
            self._hcp.wire.up()

    @asynccontextmanager
    async def silence(self) -> AsyncIterator[None]:
        with self._hcp.wire.silence():
            yield

    @asynccontextmanager
    async def spoiled(self, ref: Ref) -> AsyncIterator[type[SyncError]]:
        self._hcp.app.named(ref.id).spoiled = True
        yield SecretUnusable
        self._hcp.app.named(ref.id).spoiled = False


@asynccontextmanager
async def open_subject(_: Path) -> AsyncIterator[Subject]:
    with HcpStandIn() as hcp:
        yield HcpSubject(hcp)
