"""SQS: takes messages from a queue and deletes them. What they say is neither read nor kept."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from keyferry.backends.aws import sdk
from keyferry.backends.aws.errors import About
from keyferry.backends.aws.keys import Wallet
from keyferry.backends.aws.place import QueuePlace
from keyferry.backends.base import Context
from keyferry.backends.calling import apart
from keyferry.backends.route import Route

T = TypeVar("T")

_AT_ONCE = 10  # messages with one call, the most that SQS grants
# Seconds until a message that was not deleted comes again. It is soon, for a poll may have taken it whose store was
# edited, or whose replica was stopped, meanwhile; and that two take it costs nothing.
_HIDDEN = 2


@dataclass(frozen=True, slots=True)
class Sqs:
    """Asks one queue, beside the store's budget and in threads apart: no read waits for a poll that waits."""

    queue: QueuePlace
    wallet: Wallet
    context: Context
    route: Route
    prompt: sdk.SqsClient  # for calls that are answered at once
    patient: sdk.SqsClient  # for polls

    async def receive(self, *, wait: int) -> tuple[str, ...]:
        """Take messages, as soon as there are any, or none after so many seconds; returns their receipt handles."""
        client = self.patient if wait else self.prompt
        return await self._ask("ReceiveMessage", client, lambda: _handles(self._received(client, wait)), wait)

    async def delete(self, handles: Sequence[str]) -> tuple[str, ...]:
        """Delete messages that were taken; returns those that SQS failed to delete. They are ten at most."""
        entries = [{"Id": str(n), "ReceiptHandle": handle} for n, handle in enumerate(handles)]

        def work() -> tuple[str, ...]:
            answer = self.prompt.delete_message_batch(QueueUrl=self.queue.url, Entries=entries)
            return tuple(handles[n] for n in _failed(answer))

        return await self._ask("DeleteMessage", self.prompt, work)

    def close(self) -> None:
        """Let go of connections that are idle."""
        self.prompt.close()
        self.patient.close()

    def _received(self, client: sdk.SqsClient, wait: int) -> Mapping[str, Any]:
        return client.receive_message(
            QueueUrl=self.queue.url, MaxNumberOfMessages=_AT_ONCE, VisibilityTimeout=_HIDDEN, WaitTimeSeconds=wait
        )

    async def _ask(self, action: str, client: sdk.SqsClient, call: Callable[[], T], wait: int = 0) -> T:
        """`action` is what IAM calls it."""
        about = About("sqs", action, self.wallet.login.name, self.queue.arn, host=sdk.host(client))

        def work() -> T:
            with sdk.mapped(about, self.route):
                return call()

        async def once() -> T:
            limit = wait + self.context.timeout
            return await self.context.call.beside(
                action, lambda: apart(f"sqs {self.context.store}", work), within=limit
            )

        return await self.wallet.used(once)


def _handles(answer: Mapping[str, Any]) -> tuple[str, ...]:
    # The SDK takes what it cannot read, such as a proxy's page, for an answer that says nothing: for an empty queue.
    if "json" not in answer["ResponseMetadata"]["HTTPHeaders"].get("content-type", "json"):
        raise ValueError("no answer of SQS")
    return tuple(str(message["ReceiptHandle"]) for message in answer.get("Messages") or ())


def _failed(answer: Mapping[str, Any]) -> Iterable[int]:
    """Which entries SQS failed to delete. What is the sender's fault, such as an old receipt, is not tried again."""
    failed = [each for each in answer.get("Failed") or () if not each.get("SenderFault")]
    return [int(each["Id"]) for each in failed]
