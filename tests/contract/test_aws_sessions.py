"""Sessions of roles: renewed in time, once, and when AWS refuses them."""

from contextlib import aclosing

import pytest

from keyferry.errors import AuthFailed
from keyferry.values import Ref, Value
from tests.contract.aws_stores import reads, store, web_identity
from tests.standins.aws import AwsStandIn
from tests.standins.aws_faults import error
from tests.standins.aws_sts import Role


async def test_a_session_that_aws_refuses_is_renewed_once_and_the_call_repeated(aws: AwsStandIn, payments: Role):
    async with aclosing(web_identity(aws)) as backend:
        assert await reads(backend, aws)
        aws.iam.expire(aws.iam.sessions()[0])
        assert await reads(backend, aws)
    assert aws.calls.counts() == {"AssumeRoleWithWebIdentity": 2, "BatchGetSecretValue": 3}


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_spent_token_is_known_by_its_code_whatever_the_status(aws: AwsStandIn, payments: Role, status: int):
    async with aclosing(web_identity(aws)) as backend:
        assert await reads(backend, aws)
        aws.faults.add("BatchGetSecretValue", error("ExpiredTokenException", status), times=1)
        assert await reads(backend, aws)
    assert aws.calls.count("AssumeRoleWithWebIdentity") == 2


async def test_many_batches_with_a_spent_token_log_in_once(aws: AwsStandIn, payments: Role):
    refs = [Ref(aws.put(f"s{n}", "v")) for n in range(160)]
    async with aclosing(web_identity(aws)) as backend:
        await backend.check()
        aws.iam.expire(aws.iam.sessions()[0])
        got = await backend.fetch(refs)
    assert all(isinstance(answer, Value) for answer in got.values())
    assert aws.calls.count("AssumeRoleWithWebIdentity") == 2


async def test_a_renewal_that_fails_is_tried_once_for_all_batches(aws: AwsStandIn, payments: Role):
    refs = [Ref(aws.put(f"s{n}", "v")) for n in range(160)]
    async with aclosing(web_identity(aws)) as backend:
        await backend.check()
        aws.iam.expire(aws.iam.sessions()[0])
        aws.sts.trust(payments, subject="somebody else")
        got = await backend.fetch(refs)
        assert {type(answer) for answer in got.values()} == {AuthFailed}
        assert aws.calls.count("AssumeRoleWithWebIdentity") == 2
        aws.sts.trust(payments)
        assert await reads(backend, aws)


async def test_a_refused_key_that_cannot_be_renewed_is_not_tried_twice(aws: AwsStandIn):
    async with aclosing(store(aws)) as backend:
        assert await reads(backend, aws)
        aws.iam.revoke(aws.admin.id)
        assert not await reads(backend, aws)
    assert aws.calls.count("BatchGetSecretValue") == 2


async def test_a_session_serves_every_call_until_it_is_due(aws: AwsStandIn, payments: Role):
    aws.sts.trust(payments, lifetime=600)
    async with aclosing(web_identity(aws)) as backend:
        for _ in range(5):
            assert await reads(backend, aws)
        await backend.check()
    assert aws.calls.count("AssumeRoleWithWebIdentity") == 1


async def test_a_session_that_is_due_is_renewed_before_the_next_call(aws: AwsStandIn, payments: Role):
    aws.sts.trust(payments, lifetime=0)
    async with aclosing(web_identity(aws)) as backend:
        with pytest.raises(AuthFailed):
            await backend.check()
        aws.sts.trust(payments, lifetime=600)
        aws.calls.clear()
        assert await reads(backend, aws)
    assert aws.calls.counts() == {"AssumeRoleWithWebIdentity": 1, "BatchGetSecretValue": 1}
