"""The IAM policy of the documentation: it suffices, and less does not."""

import copy
import json
import re
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from keyferry.backends.aws import AwsBackend
from keyferry.errors import PermissionDenied
from keyferry.values import Ref, Scope, Value
from tests.contract.aws_stores import store
from tests.standins.aws import AwsStandIn

PAGE = Path(__file__).parents[2] / "docs" / "providers" / "aws.md"
KMS_KEY = "arn:aws:kms:eu-west-1:{account}:key/1234"
ACTIONS = (
    "secretsmanager:ListSecrets",
    "secretsmanager:BatchGetSecretValue",
    "secretsmanager:GetSecretValue",
    "kms:Decrypt",
)


def documented(aws: AwsStandIn) -> dict[str, Any]:
    """The policy as the page has it, for this account."""
    blocks = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 1
    policy: dict[str, Any] = json.loads(blocks[0].replace("111122223333", aws.account))
    return policy


def without(policy: dict[str, Any], action: str) -> dict[str, Any]:
    """The policy with one action taken out."""
    less = copy.deepcopy(policy)
    for statement in less["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        statement["Action"] = [each for each in actions if each != action]
    assert less != policy
    return less


def seed(aws: AwsStandIn) -> tuple[Ref, Ref]:
    plain = aws.put("acme/db", "v", {"prefix": "acme"})
    encrypted = aws.put("acme/api", "v", {"prefix": "acme"}, kms_key=KMS_KEY.format(account=aws.account))
    return Ref(plain), Ref(encrypted)


def reader(aws: AwsStandIn, policy: dict[str, Any]) -> "aclosing[AwsBackend]":
    return aclosing(store(aws, key=aws.iam.user("keyferry", policy)))


async def names(backend: AwsBackend) -> set[str]:
    return {entry.name async for entry in backend.entries(Scope())}


def test_the_page_grants_just_these_actions(aws: AwsStandIn):
    actions = [statement["Action"] for statement in documented(aws)["Statement"]]
    flat = [action for each in actions for action in (each if isinstance(each, list) else [each])]
    assert sorted(flat) == sorted(ACTIONS)


async def test_the_documented_policy_suffices(aws: AwsStandIn):
    plain, encrypted = seed(aws)
    async with reader(aws, documented(aws)) as backend:
        access = await backend.check()
        got = await backend.fetch([plain, encrypted, Ref(plain.id, "AWSCURRENT")])
        listed = await names(backend)
    assert (access.listing, access.batching, access.lacking) == (True, True, ())
    assert [isinstance(answer, Value) for answer in got.values()] == [True, True, True]
    assert listed == {"acme/db", "acme/api"}


async def test_it_reads_nothing_beyond_its_arns(aws: AwsStandIn):
    other = Ref(aws.put("umbrella/db", "v"))
    async with reader(aws, documented(aws)) as backend:
        got = (await backend.fetch([other]))[other]
    assert isinstance(got, PermissionDenied)
    assert f"not allowed secretsmanager:GetSecretValue on {other.id}" in str(got)


async def test_without_listing_only_reading_is_left(aws: AwsStandIn):
    plain, _ = seed(aws)
    async with reader(aws, without(documented(aws), "secretsmanager:ListSecrets")) as backend:
        access = await backend.check()
        with pytest.raises(PermissionDenied, match=r"secretsmanager:ListSecrets on \*"):
            await names(backend)
        got = await backend.fetch([plain])
    assert (access.listing, access.batching) == (False, True)
    assert access.lacking[0].startswith("secretsmanager:ListSecrets on *: ")
    assert isinstance(got[plain], Value)


async def test_without_batches_every_value_costs_a_call(aws: AwsStandIn):
    plain, encrypted = seed(aws)
    async with reader(aws, without(documented(aws), "secretsmanager:BatchGetSecretValue")) as backend:
        access = await backend.check()
        got = await backend.fetch([plain, encrypted])
    assert (access.listing, access.batching, backend.batch) == (True, False, 1)
    assert access.lacking[0].startswith("secretsmanager:BatchGetSecretValue on *: ")
    assert all(isinstance(answer, Value) for answer in got.values())
    assert aws.calls.count("GetSecretValue") == 2


async def test_without_reading_no_value_can_be_had(aws: AwsStandIn):
    plain, _ = seed(aws)
    async with reader(aws, without(documented(aws), "secretsmanager:GetSecretValue")) as backend:
        await backend.check()
        got = (await backend.fetch([plain]))[plain]
    assert isinstance(got, PermissionDenied)
    assert f"secretsmanager:GetSecretValue on {plain.id}" in str(got)


async def test_without_decrypting_only_what_has_a_key_of_its_own_is_lost(aws: AwsStandIn):
    plain, encrypted = seed(aws)
    async with reader(aws, without(documented(aws), "kms:Decrypt")) as backend:
        got = await backend.fetch([plain, encrypted])
    assert isinstance(got[plain], Value)
    assert isinstance(got[encrypted], PermissionDenied)
    assert f"kms:Decrypt on the KMS key of {encrypted.id}" in str(got[encrypted])


async def test_with_reading_alone_the_store_works_and_says_what_it_cannot_know(aws: AwsStandIn):
    plain, _ = seed(aws)
    policy = without(documented(aws), "secretsmanager:ListSecrets")
    async with reader(aws, without(policy, "secretsmanager:BatchGetSecretValue")) as backend:
        access = await backend.check()
        got = await backend.fetch([plain])
    assert (access.listing, access.batching, len(access.lacking)) == (False, False, 3)
    assert access.lacking[2].startswith("secretsmanager:GetSecretValue: could only be tried")
    assert isinstance(got[plain], Value)


async def test_where_any_secret_may_be_read_nothing_more_is_said_of_reading(aws: AwsStandIn):
    allowed = {"Statement": [{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}]}
    async with reader(aws, allowed) as backend:
        assert len((await backend.check()).lacking) == 2


async def test_batches_that_are_revoked_while_it_runs_are_done_without_and_come_back(aws: AwsStandIn):
    refs = [Ref(aws.put(f"acme/{n}", "v")) for n in range(3)]
    policy = documented(aws)
    key = aws.iam.user("keyferry", policy)
    async with aclosing(store(aws, key=key)) as backend:
        await backend.check()
        aws.iam.allow(key.id, without(policy, "secretsmanager:BatchGetSecretValue"))
        got = await backend.fetch(refs)
        assert all(isinstance(answer, Value) for answer in got.values())
        assert backend.batch == 1
        aws.iam.allow(key.id, policy)
        assert (await backend.check()).batching
        assert backend.batch == 20


async def test_the_error_says_which_kind_of_policy_denies(aws: AwsStandIn):
    plain, _ = seed(aws)
    deny = {"Effect": "Deny", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    policy = documented(aws)
    policy["Statement"].append(deny)
    async with reader(aws, policy) as backend:
        got = (await backend.fetch([plain]))[plain]
    assert str(got).endswith("some identity-based policy denies it explicitly")


async def test_a_policy_by_tag_reads_what_is_tagged_so(aws: AwsStandIn):
    ours, theirs = Ref(aws.put("a", "v", {"prefix": "acme"})), Ref(aws.put("b", "v", {"prefix": "umbrella"}))
    condition = {"StringEquals": {"secretsmanager:ResourceTag/prefix": "acme"}}
    read = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*", "Condition": condition}
    async with reader(aws, {"Statement": [documented(aws)["Statement"][0], read]}) as backend:
        got = await backend.fetch([ours, theirs])
    assert isinstance(got[ours], Value)
    assert isinstance(got[theirs], PermissionDenied)
