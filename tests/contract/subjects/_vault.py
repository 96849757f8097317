"""What the subjects of KV version 2 and 1 share: a real Vault or OpenBao, behind a proxy that can be taken away."""

import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from keyferry.backends.vault import VaultBackend
from keyferry.errors import AuthFailed, PermissionDenied, SyncError
from keyferry.values import Ref
from tests.contract.vault_stores import store
from tests.servers.vault_server import VaultFailed, VaultServer
from tests.standins.vault_proxy import VaultProxy

ALL = ("create", "read", "update", "delete", "list")


class VaultSubject:
    """An engine of its own, which a token of its own may use."""

    wrong_login: type[SyncError] = AuthFailed
    batches = False

    def __init__(self, proxy: VaultProxy, version: int) -> None:
        self.proxy, self.vault, self.version = proxy, proxy.vault, version
        self.tags = self.restores = version == 2
        self.mount = self.vault.engine(version)
        self._policy = self.vault.policy((f"{self.mount}/*", ALL))
        self._token = self.vault.token(self._policy)

    def as_read(self, data: bytes) -> bytes:
        return json.dumps(content(data), ensure_ascii=False, separators=(",", ":")).encode()

    def backend(self, *, timeout: float = 10.0, wrong_login: bool = False) -> VaultBackend:
        token = "hvs.not-a-token" if wrong_login else self._token
        return store(self.proxy, self.mount, token=token, spec={"version": f"v{self.version}"}, timeout=timeout)

    async def put(self, name: str, data: bytes, tags: Mapping[str, str]) -> Ref:
        at = quote(name)
        if self.version == 1:
            assert not tags
            self.vault.request("POST", f"{self.mount}/{at}", content(data))
        else:
            self.vault.request("POST", f"{self.mount}/data/{at}", {"data": content(data)})
            self.vault.request("POST", f"{self.mount}/metadata/{at}", {"custom_metadata": dict(tags)})
        return Ref(name)

    async def delete(self, name: str) -> None:
        self.vault.request("DELETE", f"{self.mount}/{'metadata/' if self.version == 2 else ''}{quote(name)}")

    @asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        self.proxy.wire.down()
        try:
            yield
        finally:
            self.proxy.wire.up()

    @asynccontextmanager
    async def silence(self) -> AsyncIterator[None]:
        with self.proxy.wire.silence():
            yield

    @asynccontextmanager
    async def spoiled(self, ref: Ref) -> AsyncIterator[type[SyncError]]:
        at = f"{self.mount}/{'data/' if self.version == 2 else ''}{ref.id}"
        rules = {"policy": f'path "{self.mount}/*" {{ capabilities = {json.dumps(ALL)} }}'}
        denied = {"policy": f'{rules["policy"]}\npath "{at}" {{ capabilities = ["deny"] }}'}
        self.vault.request("PUT", f"sys/policies/acl/{self._policy}", denied)
        yield PermissionDenied
        self.vault.request("PUT", f"sys/policies/acl/{self._policy}", rules)


def content(data: bytes) -> dict[str, Any]:
    """A KV secret is a map of JSON: what is no text is coded."""
    try:
        return {"value": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def opener(
    server: Callable[[], VaultServer], version: int
) -> Callable[[Path], AbstractAsyncContextManager[VaultSubject]]:
    """Opens a subject on a server that all tests of this process share."""

    @asynccontextmanager
    async def opened(_: Path) -> AsyncIterator[VaultSubject]:
        with VaultProxy(server()) as proxy:
            subject = VaultSubject(proxy, version)
            yield subject
            with contextlib.suppress(VaultFailed):
                subject.vault.request("DELETE", f"sys/mounts/{subject.mount}")

    return opened
