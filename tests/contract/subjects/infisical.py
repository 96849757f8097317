"""Infisical, on its stand-in."""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from keyferry.backends.infisical import InfisicalBackend
from keyferry.errors import AuthFailed, PermissionDenied, SyncError
from keyferry.values import Ref
from tests.contract.infisical_stores import client, holding, store
from tests.contract.subject import Subject
from tests.standins.infisical import InfisicalStandIn


class InfisicalSubject:
    """A project that a machine identity reads."""

    wrong_login: type[SyncError] = AuthFailed
    batches = True
    tags = True
    restores = False

    def __init__(self, infisical: InfisicalStandIn) -> None:
        self._infisical = infisical
        self._login = client(infisical)

    def as_read(self, data: bytes) -> bytes:
        """Infisical keeps text."""
        try:
            data.decode()
        except UnicodeDecodeError:
            return base64.b64encode(data)
        return data

    def backend(self, *, timeout: float = 10.0, wrong_login: bool = False) -> InfisicalBackend:
        login = self._login | ({"clientSecret": "another"} if wrong_login else {})
        return store(self._infisical, cluster=holding(self._infisical, **login), timeout=timeout)

    async def put(self, name: str, data: bytes, tags: Mapping[str, str]) -> Ref:
        return Ref(self._infisical.put(name, self.as_read(data).decode(), tags))

    async def delete(self, name: str) -> None:
        self._infisical.delete(name)

    @asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        self._infisical.wire.down()
        try:
            yield
        finally:
            self._infisical.wire.up()

    @asynccontextmanager
    async def silence(self) -> AsyncIterator[None]:
        with self._infisical.wire.silence():
            yield

    @asynccontextmanager
    async def spoiled(self, ref: Ref) -> AsyncIterator[type[SyncError]]:
        self._infisical.deny("readValue", key=ref.id)
        yield PermissionDenied
        self._infisical.rules.clear()


@asynccontextmanager
async def open_subject(_: Path) -> AsyncIterator[Subject]:
    with InfisicalStandIn() as infisical:
        yield InfisicalSubject(infisical)
