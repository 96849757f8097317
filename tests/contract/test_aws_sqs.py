"""Hints from SQS: what is heard of a queue, what is asked of it, and what goes wrong."""

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from keyferry.backends.aws import AwsBackend
from keyferry.backends.base import Heard
from keyferry.errors import AuthFailed, BackendUnavailable, EventSourceMissing, PermissionDenied, SpecInvalid, Throttled
from keyferry.values import Ref, Value
from tests.contract.aws_stores import WEB, signed, store
from tests.contract.context import SeededCluster
from tests.standins import aws_faults as faults
from tests.standins.aws import AwsStandIn
from tests.standins.aws_iam import EVERYTHING, AccessKey
from tests.standins.aws_sts import Role
from tests.standins.aws_wire import Answer

PAGE = Path(__file__).parents[2] / "docs" / "hints.md"
QUEUE = "changes"
AT_ONCE = 5.0  # seconds: far less than a poll waits, and enough on a busy machine
CHANGE, NOTHING = Heard.CHANGE, Heard.NOTHING


def listening(aws: AwsStandIn, url: str = "", **more: Any) -> AwsBackend:
    """A store that names the queue."""
    return store(aws, spec={"events": {"sqs": {"queueUrl": url or aws.queue(QUEUE)}}}, **more)


@asynccontextmanager
async def heard(backend: AwsBackend) -> AsyncIterator[AsyncGenerator[Heard, None]]:
    """What is heard of the store's queue, while inside."""
    async with aclosing(backend):
        words = backend.hints()
        assert words is not None
        async with aclosing(words):
            yield words


async def word(words: AsyncGenerator[Heard, None]) -> Heard:
    """The next word, which comes long before a poll would end for want of messages."""
    async with asyncio.timeout(AT_ONCE):
        return await anext(words)


async def test_a_store_that_names_no_queue_has_no_source(aws: AwsStandIn):
    async with aclosing(store(aws)) as backend:
        assert backend.hints() is None


async def test_that_a_queue_can_be_heard_is_known_before_anything_is_in_it(aws: AwsStandIn):
    async with heard(listening(aws)) as words:
        assert await word(words) is NOTHING


async def test_every_message_is_a_change_and_is_deleted_when_its_change_was_taken(aws: AwsStandIn):
    backend = listening(aws)
    aws.queues.send(QUEUE, "a", "b", "c")
    async with heard(backend) as words:
        assert [await word(words) for _ in range(3)] == [CHANGE] * 3
        assert aws.queues.length(QUEUE) == 3
        going_on = asyncio.create_task(word(words))
        await asyncio.to_thread(aws.calls.wait_for, 3)  # a poll, the deletion, the next poll
        assert aws.queues.length(QUEUE) == 0
        aws.queues.send(QUEUE, "d")
        assert await going_on is CHANGE


async def test_a_message_that_comes_while_somebody_waits_is_heard_at_once(aws: AwsStandIn):
    async with heard(listening(aws)) as words:
        await word(words)
        waiting = asyncio.create_task(word(words))
        await asyncio.to_thread(aws.calls.wait_for, 2)
        began = time.monotonic()
        aws.queues.send(QUEUE, "now")
        assert await waiting is CHANGE
        assert time.monotonic() - began < 1


async def test_an_idle_queue_is_asked_by_polls_that_wait_as_long_as_sqs_lets_them(aws: AwsStandIn):
    async with heard(listening(aws)) as words:
        await word(words)
        waiting = asyncio.create_task(word(words))
        await asyncio.to_thread(aws.calls.wait_for, 2)
        waiting.cancel()
        await asyncio.wait({waiting})
    polls = [call.params for call in aws.calls.all("ReceiveMessage")]
    assert [poll["WaitTimeSeconds"] for poll in polls] == [0, 20]
    assert [poll["MaxNumberOfMessages"] for poll in polls] == [10, 10]
    assert not any("AttributeNames" in name for poll in polls for name in poll)


async def test_a_queue_of_the_type_fifo_is_heard_as_well(aws: AwsStandIn):
    backend = listening(aws, aws.queue("changes.fifo"))
    aws.queues.send("changes.fifo", "a", "b")
    async with heard(backend) as words:
        assert [await word(words) for _ in range(2)] == [CHANGE] * 2
        aws.queues.send("changes.fifo", "c")
        assert await word(words) is CHANGE


async def test_a_flood_is_taken_by_four_polls_a_second_at_most(aws: AwsStandIn):
    backend = listening(aws)
    aws.queues.send(QUEUE, *map(str, range(60)))
    async with heard(backend) as words:
        began = time.monotonic()
        assert [await word(words) for _ in range(60)] == [CHANGE] * 60
        assert time.monotonic() - began > 5 * 0.25
    assert aws.calls.count("ReceiveMessage") == 6


async def test_what_a_poll_took_that_nobody_waits_for_any_more_comes_again_soon(aws: AwsStandIn):
    url = aws.queue(QUEUE)
    async with heard(listening(aws, url)) as former:
        aws.queues.send(QUEUE, "lost")
        await word(former)  # and not gone on: its store was edited, say
    async with heard(listening(aws, url)) as words:
        assert await word(words) is CHANGE or await word(words) is CHANGE


async def test_a_messages_content_appears_nowhere(aws: AwsStandIn, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    backend = listening(aws)
    aws.queues.send(QUEUE, "canary-77f1")
    async with heard(backend) as words:
        await word(words)
        assert "canary-77f1" not in caplog.text + repr(vars(backend)) + repr(words)


@pytest.mark.parametrize("action", ["sqs:ReceiveMessage", "sqs:DeleteMessage"])
async def test_what_is_not_allowed_is_told_with_the_action_and_the_queues_arn(aws: AwsStandIn, action: str):
    deny = {"Effect": "Deny", "Action": action, "Resource": "*"}
    key = aws.iam.user("keyferry", {"Statement": [*EVERYTHING["Statement"], deny]})
    backend = listening(aws, key=key)
    aws.queues.send(QUEUE, "a")
    async with heard(backend) as words:
        with pytest.raises(PermissionDenied) as failure:
            assert [await word(words) for _ in range(2)] == []
    arn = f"arn:aws:sqs:eu-west-1:{aws.account}:{QUEUE}"
    assert f"is not allowed {action} on {arn}: some identity-based policy denies it explicitly" in str(failure.value)


async def test_without_deleting_a_message_is_not_heard_again_and_again(aws: AwsStandIn):
    key = aws.iam.user(
        "keyferry", {"Statement": [{"Effect": "Allow", "Action": "sqs:ReceiveMessage", "Resource": "*"}]}
    )
    backend = listening(aws, key=key)
    aws.queues.send(QUEUE, "a")
    async with heard(backend) as words:
        assert await word(words) is CHANGE
        for _ in range(3):
            with pytest.raises(PermissionDenied, match="sqs:DeleteMessage"):
                await word(words)
            words = backend.hints() or words  # noqa: PLW2901 - as who listens starts it again
        assert aws.calls.count("ReceiveMessage") == 1
        aws.iam.allow(key.id, EVERYTHING)
        assert await word(words) is NOTHING
    assert aws.queues.length(QUEUE) == 0


async def test_a_queue_that_is_not_there_is_told_and_found_when_it_is(aws: AwsStandIn):
    backend = listening(aws, f"{aws.url}/{aws.account}/later")
    async with heard(backend) as words:
        with pytest.raises(EventSourceMissing, match=f"arn:aws:sqs:eu-west-1:{aws.account}:later"):
            await word(words)
        aws.queue("later")
        again = backend.hints()
        assert again is not None
        assert await word(again) is NOTHING
        await again.aclose()


async def test_nothing_is_sent_to_an_address_that_is_not_allowed(aws: AwsStandIn):
    with AwsStandIn() as other:
        backend = listening(aws, other.queue(QUEUE), endpoint_allowed=lambda url: url == aws.url)
        async with heard(backend) as words:
            with pytest.raises(SpecInvalid, match=f"--allow-endpoint={other.url}"):
                await word(words)
        assert other.calls.count() == 0


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (faults.error("RequestThrottled", message="Rate exceeded"), Throttled),
        (faults.error("InternalFailure", 500), BackendUnavailable),
        (lambda _, __: Answer(200, b"<html>", {"Content-Type": "text/html"}), BackendUnavailable),
        (faults.body(b'{"Messages": [{"Body": "canary"}]}'), BackendUnavailable),
        (faults.body(b'{"Messages": 7}'), BackendUnavailable),
        (faults.reset(), BackendUnavailable),
        (faults.error("KMS.AccessDeniedException"), PermissionDenied),
        (faults.error("InvalidClientTokenId", 403), AuthFailed),
    ],
    ids=["throttled", "broken", "no JSON", "no receipt", "no list", "reset", "locked", "unknown key"],
)
async def test_what_goes_wrong_is_an_error_of_ours(aws: AwsStandIn, fault: faults.Fault, kind: type[Exception]):
    backend = listening(aws)
    with aws.faults.during("ReceiveMessage", fault):
        async with heard(backend) as words:
            with pytest.raises(kind) as failure:
                await word(words)
    assert "canary" not in str(failure.value)
    assert failure.value.__context__ is None


async def test_a_receipt_that_is_too_old_is_not_the_end(aws: AwsStandIn):
    backend = listening(aws)
    aws.queues.send(QUEUE, "a")
    stale = faults.body(b'{"Failed": [{"Id": "0", "SenderFault": true, "Code": "ReceiptHandleIsInvalid"}]}')
    with aws.faults.during("DeleteMessageBatch", stale):
        async with heard(backend) as words:
            await word(words)
            assert await word(words) is CHANGE  # it came again, when it was hidden no more


async def test_what_sqs_fails_to_delete_is_deleted_before_anything_else_is_heard(aws: AwsStandIn):
    backend = listening(aws)
    aws.queues.send(QUEUE, "a")
    broken = faults.body(b'{"Failed": [{"Id": "0", "SenderFault": false, "Code": "InternalError"}]}')
    async with heard(backend) as words:
        await word(words)
        with aws.faults.during("DeleteMessageBatch", broken), pytest.raises(BackendUnavailable, match="1 message"):
            await word(words)
        again = backend.hints()
        assert again is not None
        assert await word(again) is NOTHING
        await again.aclose()
    assert aws.queues.length(QUEUE) == 0


async def test_keys_that_are_refused_are_renewed_once(aws: AwsStandIn, payments: Role):
    auth = {"webIdentity": WEB | {"roleArn": payments.arn}}
    backend = listening(aws, auth=auth, cluster=SeededCluster(token_for=signed))
    async with heard(backend) as words:
        await word(words)
        aws.iam.revoke(aws.iam.sessions()[-1])
        aws.queues.send(QUEUE, "a")
        assert await word(words) is CHANGE
    assert aws.calls.count("AssumeRoleWithWebIdentity") == 2


async def test_a_queue_that_does_not_answer_delays_no_read(aws: AwsStandIn):
    backend = listening(aws, concurrency=1, timeout=3.0)
    ref = Ref(aws.put("db", "v"))
    with aws.faults.silence("ReceiveMessage"):
        async with heard(backend) as words:
            stuck = asyncio.create_task(word(words))
            await asyncio.to_thread(aws.calls.wait_for, 1)
            began = time.monotonic()
            for _ in range(3):
                assert isinstance((await backend.fetch([ref]))[ref], Value)
            assert time.monotonic() - began < 2
            assert not stuck.done()
            with pytest.raises(BackendUnavailable, match="does not answer in time"):
                await stuck


async def test_closing_waits_for_no_poll(aws: AwsStandIn):
    backend = listening(aws)
    async with heard(backend) as words:
        await word(words)
        waiting = asyncio.create_task(word(words))
        await asyncio.to_thread(aws.calls.wait_for, 2)
        began = time.monotonic()
        waiting.cancel()
        await asyncio.wait({waiting})
    assert time.monotonic() - began < 1


async def test_a_login_that_is_refused_is_told(aws: AwsStandIn):
    wrong = AccessKey(aws.admin.id, "not-the-secret")
    async with heard(listening(aws, key=wrong)) as words:
        with pytest.raises(AuthFailed, match="does not belong to the access key ID"):
            await word(words)


def documented(aws: AwsStandIn) -> dict[str, Any]:
    """The policy that the page on hints asks for, for this account and queue."""
    (block,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    policy: dict[str, Any] = json.loads(block.replace("111122223333:keyferry", f"{aws.account}:{QUEUE}"))
    return policy


async def test_the_documented_policy_suffices_and_reaches_no_other_queue(aws: AwsStandIn):
    key = aws.iam.user("keyferry", documented(aws))
    backend = listening(aws, key=key)
    aws.queues.send(QUEUE, "a")
    async with heard(backend) as words:
        assert await word(words) is CHANGE
        going_on = asyncio.create_task(word(words))
        await asyncio.to_thread(aws.calls.wait_for, 3)
        going_on.cancel()
        await asyncio.wait({going_on})
    assert aws.queues.length(QUEUE) == 0
    async with heard(listening(aws, aws.queue("other"), key=key)) as words:
        with pytest.raises(PermissionDenied, match=f"sqs:ReceiveMessage on arn:aws:sqs:eu-west-1:{aws.account}:other"):
            await word(words)


async def test_the_documented_policy_is_the_least(aws: AwsStandIn):
    (statement,) = documented(aws)["Statement"]
    assert statement["Action"] == ["sqs:ReceiveMessage", "sqs:DeleteMessage"]
    for action in statement["Action"]:
        less = {"Statement": [statement | {"Action": [each for each in statement["Action"] if each != action]}]}
        backend = listening(aws, key=aws.iam.user(action.partition(":")[2], less))
        aws.queues.send(QUEUE, "a")
        async with heard(backend) as words:
            with pytest.raises(PermissionDenied, match=f"not allowed {action} on .*:{QUEUE}: allow {action} there"):
                assert [await word(words) for _ in range(9)] == []
