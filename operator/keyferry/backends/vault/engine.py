"""The KV engine of a store, whichever version it has. Imported on first use: from here on hvac is needed."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Protocol

from keyferry.api.providers.vault import Vault
from keyferry.backends.base import Context
from keyferry.backends.calling import Caller
from keyferry.backends.vault.connection import Connection, connect
from keyferry.backends.vault.kv1 import Kv1
from keyferry.backends.vault.kv2 import Kv2
from keyferry.backends.vault.mounts import mount_at
from keyferry.values import Entry, Fetched, Ref


class Engine(Protocol):
    """What both versions can do. Whatever asks Vault raises SyncError."""

    @property
    def connection(self) -> Connection:
        """The way to Vault."""

    def listed(self, folder: str) -> str:
        """The path that a policy must let list."""

    def described_at(self, name: str) -> str:
        """The path that a policy must let read for the catalogue."""

    def read_at(self, name: str) -> str:
        """The path that a policy must let read for values."""

    async def verify(self) -> None:
        """Make sure that the engine is there, and of this version."""

    async def names(self, folder: str) -> list[str]:
        """What is in a folder, without the folder's own name; folders end with /."""

    async def described(self, name: str) -> Entry | None:
        """A secret's line in the catalogue; None where there is none."""

    async def read(self, ref: Ref) -> Fetched:
        """What a secret holds."""

    async def put(self, name: str, content: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """Write the secret, with just these tags; its version."""

    async def delete(self, name: str) -> None:
        """Delete the secret. Raises SecretMissing where there is none."""

    async def restore(self, name: str) -> str:
        """Take the deletion back; the version that is current again."""


async def opened(spec: Vault, context: Context, caller: Caller) -> Engine:
    """The engine, logged in to. Raises SyncError."""
    connection, path = await connect(spec, context, caller), spec.root_engine.rstrip("/")
    if spec.version == "v2":
        return Kv2(connection, path)
    mount = await mount_at(connection, path)
    # Known to Vault's own users only, and the same for every replica and after every restart.
    key = hmac.new(mount.identity.encode(), b"keyferry: versions of KV version 1", hashlib.sha256).digest()
    return Kv1(connection, path, key)
