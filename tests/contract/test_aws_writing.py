"""Writing to AWS: which right is missing, what awaits its deletion, what AWS does not hold, and whose tags stay."""

from contextlib import aclosing
from typing import Any

import pytest

from keyferry.backends.aws import AwsBackend
from keyferry.errors import PermissionDenied, SpecInvalid
from tests.contract.aws_stores import store
from tests.standins.aws import AwsStandIn
from tests.standins.aws_iam import EVERYTHING

OF = {
    "put": ("DescribeSecret", "PutSecretValue", "TagResource", "UntagResource"),
    "create": ("CreateSecret",),
    "delete": ("DeleteSecret",),
    "restore": ("RestoreSecret",),
}


async def put(backend: AwsBackend) -> None:
    await backend.put("db", b"new", {"b": "2"})


async def create(backend: AwsBackend) -> None:
    await backend.put("another", b"new", {})


async def delete(backend: AwsBackend) -> None:
    await backend.delete("db")


async def restore(backend: AwsBackend) -> None:
    await backend.restore("gone")


DEEDS: dict[str, Any] = {"put": put, "create": create, "delete": delete, "restore": restore}


@pytest.mark.parametrize(("deed", "action"), [(deed, action) for deed, actions in OF.items() for action in actions])
async def test_a_right_that_is_missing_is_named(aws: AwsStandIn, deed: str, action: str):
    aws.put("db", "old", {"a": "1"})
    aws.put("gone", "v")
    aws.delete("gone", at_once=False)
    deny = {"Effect": "Deny", "Action": f"secretsmanager:{action}", "Resource": "*"}
    user = aws.iam.user("writer", {"Statement": [*EVERYTHING["Statement"], deny]})
    async with aclosing(store(aws, key=user)) as backend:
        with pytest.raises(PermissionDenied, match=f"secretsmanager:{action}"):
            await DEEDS[deed](backend)


async def test_a_name_that_awaits_its_deletion_is_taken_until_it_is_restored(aws: AwsStandIn):
    aws.put("db", "v")
    aws.delete("db", at_once=False)
    async with aclosing(store(aws)) as backend:
        with pytest.raises(SpecInvalid, match="restore it first"):
            await backend.put("db", b"new", {})
        await backend.restore("db")
        await backend.put("db", b"new", {})


async def test_what_was_deleted_is_kept_for_thirty_days(aws: AwsStandIn):
    aws.put("db", "v")
    async with aclosing(store(aws)) as backend:
        await backend.delete("db")
    [call] = aws.calls.all("DeleteSecret")
    assert (call.params["RecoveryWindowInDays"], call.params.get("ForceDeleteWithoutRecovery")) == (30, None)


@pytest.mark.parametrize("data", [b"", b"x" * 65537], ids=["nothing", "too much"])
async def test_what_aws_does_not_hold_is_told_before_it_is_asked(aws: AwsStandIn, data: bytes):
    async with aclosing(store(aws)) as backend:
        with pytest.raises(SpecInvalid, match="from 1 to 65536"):
            await backend.put("db", data, {})
    assert aws.calls.all("CreateSecret") == []


async def test_text_is_kept_as_text_and_anything_else_as_it_is(aws: AwsStandIn):
    async with aclosing(store(aws)) as backend:
        await backend.put("text", "žluť".encode(), {})
        await backend.put("binary", b"\xff\x00", {})
    kept = [sorted(set(call.params) & {"SecretString", "SecretBinary"}) for call in aws.calls.all("CreateSecret")]
    assert kept == [["SecretString"], ["SecretBinary"]]


async def test_tags_that_are_as_they_should_be_cost_no_call(aws: AwsStandIn):
    aws.put("db", "old", {"a": "1", "aws:cloudformation:stack-name": "s"})
    async with aclosing(store(aws)) as backend:
        await backend.put("db", b"new", {"a": "1"})
    assert aws.calls.all("TagResource") + aws.calls.all("UntagResource") == []
