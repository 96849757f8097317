"""Secrets of a namespace, on a real API server behind a proxy that can be taken away."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from keyferry.backends.kubernetes import KubernetesBackend
from keyferry.backends.kubernetes.answers import as_json, checked_labels, possible
from keyferry.errors import AuthFailed, PermissionDenied, SpecInvalid, SyncError
from keyferry.values import Ref
from tests.contract.kubernetes_stores import EVERYTHING, Reader, store
from tests.contract.subject import Subject
from tests.controlplane.shared import shared
from tests.standins.tcp_proxy import TcpProxy, proxy_before


class KubernetesSubject:
    """A namespace of its own, which one ServiceAccount may use."""

    wrong_login: type[SyncError] = AuthFailed
    batches = False
    tags = True
    restores = False

    def __init__(self, reader: Reader, proxy: TcpProxy) -> None:
        self.reader, self.proxy = reader, proxy
        self._names: set[str] = set()

    def as_read(self, data: bytes) -> bytes:
        return as_json({"value": data})

    def backend(self, *, timeout: float = 10.0, wrong_login: bool = False) -> KubernetesBackend:
        more: dict[str, Any] = {"token": "not-a-token"} if wrong_login else {}
        return store(self.reader, port=self.proxy.port, timeout=timeout, **more)

    async def put(self, name: str, data: bytes, tags: Mapping[str, str]) -> Ref:
        try:
            checked_labels(tags)
        except SpecInvalid:
            pytest.skip("no label can say that")
        if not possible(name):
            pytest.skip("no Secret can be named so")
        self._names.add(name)
        self.reader.write(name, {"value": data}, tags)
        return Ref(name)

    async def delete(self, name: str) -> None:
        self.reader.delete(name)

    @asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        await self.proxy.down()
        try:
            yield
        finally:
            await self.proxy.up()

    @asynccontextmanager
    async def silence(self) -> AsyncIterator[None]:
        with self.proxy.silence():
            yield

    @asynccontextmanager
    async def spoiled(self, ref: Ref) -> AsyncIterator[type[SyncError]]:
        self.reader.allow("get", names=[*(self._names - {ref.id}), "another"])
        self.reader.await_right("get", allowed=False, name=ref.id)
        yield PermissionDenied
        self.reader.allow(*EVERYTHING)


@asynccontextmanager
async def open_subject(folder: Path) -> AsyncIterator[Subject]:
    """A subject on the control plane that such tests of this process share."""
    reader = Reader(shared()).make()
    async with proxy_before(reader.port) as proxy:
        yield KubernetesSubject(reader, proxy)
    reader.end()
