"""Values, by AccessSecretVersion: the one call that tells the newest version without a further right."""

from typing import TYPE_CHECKING, Any

import google_crc32c

from keyferry.errors import BackendUnavailable, SecretMissing
from keyferry.values import Fetched, Ref, Value

if TYPE_CHECKING:
    from keyferry.backends.gcp.connection import Connection


async def read(connection: "Connection", ref: Ref) -> Fetched:
    """The value, with the number of the version that it is. Raises SyncError."""
    name = connection.place.version(ref.id, ref.version)

    async def call(client: Any, how: dict[str, Any]) -> Any:
        return await client.access_secret_version(name=name, **how)

    resource = connection.place.secret(ref.id)
    answer = await connection.ask("AccessSecretVersion", "versions.access", resource, call, version=ref.version)
    return value_of(type(answer).pb(answer), ref)


async def probe(connection: "Connection", name: str) -> None:
    """Try to read a secret that is not there. Raises SyncError unless that is just what Google says."""
    try:
        await read(connection, Ref(name))
    except SecretMissing:
        return


def value_of(answer: Any, ref: Ref) -> Fetched:
    """The value in an answer, if it is whole and of the secret that was asked for."""
    secret, _, version = answer.name.rpartition("/versions/")
    if secret.rpartition("/")[2] != ref.id or not version.isdecimal():
        return BackendUnavailable(f"Secret Manager answers for another secret than {ref.id}, which was asked")
    data: bytes = answer.payload.data
    if answer.payload.HasField("data_crc32c") and google_crc32c.value(data) != answer.payload.data_crc32c:
        return BackendUnavailable(f"the value of {ref.id} came damaged: its checksum (CRC32C) is not that of its bytes")
    return Value(data, version)
