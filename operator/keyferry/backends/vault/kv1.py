"""KV version 1: values and nothing else. A keyed digest of the value tells a change, and the value is read for it."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hvac.api.secrets_engines import KvV1

from keyferry.backends.vault.answers import as_json, names_in, part
from keyferry.backends.vault.connection import Connection
from keyferry.backends.vault.errors import NotThere
from keyferry.backends.vault.mounts import verify
from keyferry.errors import SecretMissing, SpecInvalid
from keyferry.values import Entry, Fetched, Ref, Value


@dataclass(frozen=True, slots=True)
class Kv1:
    """An engine mounted somewhere. `key` is the same for whoever reads from it, and known to nobody else."""

    connection: Connection
    mount: str
    key: bytes = field(repr=False)

    def listed(self, folder: str) -> str:
        """The path that a policy must let list."""
        return f"{self.mount}/{folder}"

    def described_at(self, name: str) -> str:
        """The path that a policy must let read for the catalogue."""
        return f"{self.mount}/{name}"

    read_at = described_at

    async def verify(self) -> None:
        """Make sure that the engine is there, and of this version. Raises SyncError."""
        await verify(self.connection, self.mount, "1")

    async def names(self, folder: str) -> list[str]:
        """What is in a folder, without the folder's own name; folders end with /. Raises SyncError."""
        try:
            answer = await self.connection.ask(
                "List", "list", self.listed(folder), lambda vault: KvV1(vault).list_secrets(folder, self.mount)
            )
        except NotThere:
            return []
        return names_in(answer)

    async def described(self, name: str) -> Entry | None:
        """A secret's line in the catalogue; None where there is none. Only its value tells. Raises SyncError."""
        found = await self.read(Ref(name))
        return Entry(name, name, {"": found.version}, {}) if isinstance(found, Value) else None

    async def read(self, ref: Ref) -> Fetched:
        """What a secret holds. Raises SyncError."""
        if ref.version:
            return SecretMissing(f"{self.mount}/{ref.id}: KV version 1 keeps no versions: leave version out")
        try:
            answer = await self.connection.ask(
                "ReadSecret", "read", self.read_at(ref.id), lambda vault: KvV1(vault).read_secret(ref.id, self.mount)
            )
        except NotThere:
            return SecretMissing(f"Vault has no secret {self.mount}/{ref.id}")
        content = part(answer, "data")
        return Value(as_json(content), self._version(content))

    async def put(self, name: str, content: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """Write the secret; its version. Raises SpecInvalid where it shall have tags."""
        if tags:
            raise SpecInvalid(f"{self.mount}/{name}: KV version 1 has no tags: leave tags and spec.defaultTags out")
        await self.connection.ask(
            "WriteSecret",
            "create and update",
            self.read_at(name),
            lambda vault: KvV1(vault).create_or_update_secret(
                name, dict(content), method="POST", mount_point=self.mount
            ),
        )
        return self._version(content)

    async def delete(self, name: str) -> None:
        """Delete the secret for good. Raises SecretMissing where there is none."""
        if isinstance(absent := await self.read(Ref(name)), SecretMissing):
            raise absent
        await self.connection.ask(
            "Delete", "delete", self.read_at(name), lambda vault: KvV1(vault).delete_secret(name, self.mount)
        )

    async def restore(self, name: str) -> str:
        """Nothing can be restored. Raises SpecInvalid."""
        raise SpecInvalid(f"{self.mount}/{name}: KV version 1 keeps nothing of what was deleted: put it again")

    def _version(self, content: Mapping[str, Any]) -> str:
        text = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        return hmac.new(self.key, text, hashlib.sha256).hexdigest()[:32]
