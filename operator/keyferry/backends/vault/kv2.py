"""KV version 2: values with versions, and metadata that tells of them without telling values."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from hvac.api.secrets_engines import KvV2

from keyferry.backends.vault.answers import alive, entry, names_in, part, value, version_of, why_absent
from keyferry.backends.vault.connection import Connection
from keyferry.backends.vault.errors import NotThere
from keyferry.backends.vault.mounts import verify
from keyferry.errors import SecretMissing, SpecInvalid
from keyferry.values import Entry, Fetched, Ref

_NUMBER = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Kv2:
    """An engine mounted somewhere."""

    connection: Connection
    mount: str
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def listed(self, folder: str) -> str:
        """The path that a policy must let list."""
        return f"{self.mount}/metadata/{folder}"

    def described_at(self, name: str) -> str:
        """The path that a policy must let read for the catalogue."""
        return f"{self.mount}/metadata/{name}"

    def read_at(self, name: str) -> str:
        """The path that a policy must let read for values."""
        return f"{self.mount}/data/{name}"

    async def verify(self) -> None:
        """Make sure that the engine is there, and of this version. Raises SyncError."""
        await verify(self.connection, self.mount, "2")

    async def names(self, folder: str) -> list[str]:
        """What is in a folder, without the folder's own name; folders end with /. Raises SyncError."""
        try:
            answer = await self.connection.ask(
                "List", "list", self.listed(folder), lambda vault: KvV2(vault).list_secrets(folder, self.mount)
            )
        except NotThere:
            return []
        return names_in(answer)

    async def described(self, name: str) -> Entry | None:
        """A secret's line in the catalogue; None where there is none. Raises SyncError."""
        metadata = await self._metadata(name)
        return None if metadata is None else entry(name, metadata, self.clock())

    async def read(self, ref: Ref) -> Fetched:
        """What a secret holds. Raises SyncError."""
        if ref.version and not _NUMBER.fullmatch(ref.version):  # Vault would take 0 for the current one
            return SecretMissing(
                f"{self.mount}/{ref.id} has no version {ref.version}: Vault's versions are numbers from 1 on"
            )
        version = int(ref.version) if ref.version else None
        try:
            answer = await self.connection.ask(
                "ReadData",
                "read",
                self.read_at(ref.id),
                lambda vault: KvV2(vault).read_secret_version(
                    ref.id, version=version, mount_point=self.mount, raise_on_deleted_version=True
                ),
            )
        except NotThere as absent:
            return SecretMissing(why_absent(f"{self.mount}/{ref.id}", ref.version, absent.body))
        return value(answer, f"{self.mount}/{ref.id}")

    async def put(self, name: str, content: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """Write a new version, then the tags where they differ; the version. Fails where others write meanwhile."""
        before = await self._metadata(name) or {}
        wrote = await self.connection.ask(
            "WriteData",
            "create and update",
            self.read_at(name),
            lambda vault: KvV2(vault).create_or_update_secret(
                name, dict(content), cas=before.get("current_version", 0), mount_point=self.mount
            ),
        )
        if (before.get("custom_metadata") or {}) != tags:
            await self._tag(name, tags)
        return version_of(part(wrote, "data"))

    async def delete(self, name: str) -> None:
        """Delete the current version, which can be restored. Raises SecretMissing where there is none."""
        latest = await self._latest(name)
        if latest is None or not alive(latest, self.clock()):
            raise SecretMissing(f"{self.mount}/{name} is not there, or deleted already")
        await self.connection.ask(
            "Delete",
            "delete",
            self.read_at(name),
            lambda vault: KvV2(vault).delete_latest_version_of_secret(name, mount_point=self.mount),
        )

    async def restore(self, name: str) -> str:
        """Take the deletion of the current version back; that version. Raises SyncError where that cannot be."""
        latest = await self._latest(name)
        if latest is None or latest["destroyed"]:
            raise SecretMissing(f"{self.mount}/{name} is not there, or destroyed for good")
        if alive(latest, self.clock()):
            raise SpecInvalid(f"{self.mount}/{name} is not deleted: there is nothing to restore")
        await self.connection.ask(
            "Undelete",
            "update",
            f"{self.mount}/undelete/{name}",
            lambda vault: KvV2(vault).undelete_secret_versions(name, [latest["version"]], mount_point=self.mount),
        )
        return version_of(latest)

    async def _metadata(self, name: str) -> dict[str, Any] | None:
        try:
            answer = await self.connection.ask(
                "ReadMetadata",
                "read",
                self.described_at(name),
                lambda vault: KvV2(vault).read_secret_metadata(name, self.mount),
            )
        except NotThere:
            return None
        return part(answer, "data")

    async def _latest(self, name: str) -> dict[str, Any] | None:
        """The current version, as a part of the metadata. None where there is no secret, or no version of it."""
        metadata = await self._metadata(name) or {}
        number = metadata.get("current_version") or 0
        found = (metadata.get("versions") or {}).get(str(number))
        return {**found, "version": number} if isinstance(found, dict) else None

    async def _tag(self, name: str, tags: Mapping[str, str]) -> None:
        # Not hvac's update_metadata: that resets delete_version_after.
        await self.connection.ask(
            "WriteMetadata",
            "update",
            self.described_at(name),
            lambda vault: vault.post(quote(f"/v1/{self.mount}/metadata/{name}"), json={"custom_metadata": dict(tags)}),
        )
