"""Writing to Secrets Manager: create, give a new value, tag, delete with AWS's time to think again, restore."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from keyferry.errors import BackendUnavailable, SecretMissing, SpecInvalid

if TYPE_CHECKING:
    from keyferry.backends.aws.connection import Connection

_OF_AWS = "aws:"  # tags that AWS gives, and nobody else can
_RECOVERY_DAYS = 30
_LARGEST = 65536  # bytes of one value (AWS Secrets Manager, quotas)


class _Held(TypedDict, total=False):
    """A value as AWS takes it."""

    SecretString: str
    SecretBinary: bytes


async def put(connection: "Connection", name: str, data: bytes, tags: Mapping[str, str]) -> str:
    """Create or update the secret; returns its new version. Raises SyncError.

    The value comes before the tags: what is tagged for somebody holds already what they are to see.
    """
    if not 0 < len(data) <= _LARGEST:
        raise SpecInvalid(f"{name}: the value has {len(data)} bytes, and Secrets Manager holds from 1 to {_LARGEST}")
    there = await _described(connection, name)
    if there is None:
        return await _create(connection, name, data, tags)
    answer = await connection.ask(
        "PutSecretValue", lambda client: client.put_secret_value(SecretId=name, **_held(data)), resource=name
    )
    await _retag(connection, name, there, tags)
    return _version(answer, name)


async def delete(connection: "Connection", name: str) -> None:
    """Schedule the secret for deletion. Raises SecretMissing when there is none, or it is scheduled already."""
    if await _described(connection, name) is None:
        raise SecretMissing(f"Secrets Manager has no secret {name} in the store's account and region")
    await connection.ask(
        "DeleteSecret",
        lambda client: client.delete_secret(SecretId=name, RecoveryWindowInDays=_RECOVERY_DAYS),
        resource=name,
    )


async def restore(connection: "Connection", name: str) -> str:
    """Take a scheduled deletion back; the version that is current again. Raises SyncError."""
    described = await _asked(connection, name)
    if not described.get("DeletedDate"):
        raise SpecInvalid(f"{name} is not deleted: there is nothing to restore")
    await connection.ask("RestoreSecret", lambda client: client.restore_secret(SecretId=name), resource=name)
    staged: Mapping[str, list[str]] = described.get("VersionIdsToStages") or {}
    return next((version for version, stages in staged.items() if "AWSCURRENT" in stages), "")


async def _described(connection: "Connection", name: str) -> Mapping[str, Any] | None:
    """The secret's tags and versions; None where there is none. Raises SpecInvalid where it awaits its deletion."""
    try:
        described = await _asked(connection, name)
    except SecretMissing:
        return None
    if described.get("DeletedDate"):
        raise SpecInvalid(
            f"{name} is scheduled for deletion, so that its name is taken: restore it first (keyferry secret restore)"
        )
    return described


async def _asked(connection: "Connection", name: str) -> Mapping[str, Any]:
    described: Mapping[str, Any] = await connection.ask(
        "DescribeSecret", lambda client: client.describe_secret(SecretId=name), resource=name
    )
    if described.get("Name") != name:
        raise BackendUnavailable(f"Secrets Manager answers for another secret than {name}, which was asked")
    return described


async def _create(connection: "Connection", name: str, data: bytes, tags: Mapping[str, str]) -> str:
    tagged = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
    answer = await connection.ask(
        "CreateSecret",
        lambda client: client.create_secret(Name=name, Tags=tagged, **_held(data)),  # type: ignore[arg-type] # as AWS has it
        resource=name,
    )
    return _version(answer, name)


async def _retag(connection: "Connection", name: str, described: Mapping[str, Any], tags: Mapping[str, str]) -> None:
    """Make these its tags, but for AWS's own, by as few calls as that takes."""
    now = {tag["Key"]: tag.get("Value", "") for tag in described.get("Tags") or ()}
    changed = [{"Key": key, "Value": value} for key, value in sorted(tags.items()) if now.get(key) != value]
    gone = sorted(key for key in now.keys() - tags.keys() if not key.startswith(_OF_AWS))
    if changed:
        await connection.ask(
            "TagResource",
            lambda client: client.tag_resource(SecretId=name, Tags=changed),  # type: ignore[arg-type] # as AWS has it
            resource=name,
        )
    if gone:
        await connection.ask(
            "UntagResource", lambda client: client.untag_resource(SecretId=name, TagKeys=gone), resource=name
        )


def _held(data: bytes) -> _Held:
    """Text where it is text, so that people can read it in AWS's console."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {"SecretBinary": data}
    return {"SecretString": text}


def _version(answer: Mapping[str, Any], name: str) -> str:
    version = answer.get("VersionId")
    if not isinstance(version, str) or not version:
        raise BackendUnavailable(f"Secrets Manager's answer for {name} lacks the new version")
    return version
