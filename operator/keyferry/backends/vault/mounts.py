"""What is mounted where a store's engine should be. Whoever may do anything below a mount is told this."""

from dataclasses import dataclass, field

from keyferry.backends.vault.answers import part
from keyferry.backends.vault.connection import Connection
from keyferry.backends.vault.errors import CallDenied
from keyferry.errors import BackendUnavailable, SpecInvalid


@dataclass(frozen=True, slots=True)
class Mount:
    """An engine as Vault lists it."""

    kind: str
    version: str
    identity: str = field(
        repr=False
    )  # its own, whatever its path; seen only by those whom Vault lets do something there


async def mount_at(connection: Connection, path: str) -> Mount:
    """What is mounted there. Raises SyncError."""
    where = f"sys/internal/ui/mounts/{path}"
    data = part(await connection.ask("ReadMount", "read", where, lambda vault: vault.get(f"/v1/{where}")), "data")
    kind, identity = data.get("type"), data.get("uuid") or data.get("accessor")  # the latter in old versions
    if not isinstance(kind, str) or not isinstance(identity, str):
        raise BackendUnavailable(f"{connection.client.host} does not say what is mounted at {path}")
    return Mount(kind, str((data.get("options") or {}).get("version") or "1"), identity)


async def verify(connection: Connection, path: str, version: str) -> None:
    """Make sure that a KV engine of this version is there: of another, every secret would seem to be missing."""
    try:
        mount = await mount_at(connection, path)
    except CallDenied:
        return  # then nothing below it may be read either, which is told with the path that a policy needs
    if mount.kind not in {"kv", "generic"}:
        raise SpecInvalid(f"spec.provider.vault.rootEngine: {path} is no KV engine")
    if mount.version != version:
        raise SpecInvalid(
            f"spec.provider.vault.version: {path} is a KV engine of version {mount.version}: write v{mount.version}"
        )
