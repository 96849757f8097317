"""SQS of the AWS stand-in: moto's queues, with AWS's long polls, limits, errors and permissions put back."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from moto.sqs.exceptions import QueueDoesNotExist, ReceiptHandleIsInvalid
from moto.sqs.models import sqs_backends

from tests.standins.aws_iam import Iam
from tests.standins.aws_wire import Answer, AwsError, Request, json_answer

_LOOK_SECONDS = 0.05  # between looks for messages whose time of being hidden is over
# What IAM asks for where that is not the operation's own name.
_ACTIONS = {"DeleteMessageBatch": "DeleteMessage", "SendMessageBatch": "SendMessage"}


@dataclass(slots=True)
class Queues:
    """Answers SQS's calls. moto is not made for threads: one lock guards it, and nobody waits while holding it."""

    iam: Iam
    region: str
    lock: threading.Condition = field(default_factory=threading.Condition)

    def create(self, name: str) -> None:
        """Make a queue, where its name says so of the type FIFO."""
        fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
        with self.lock:
            self._backend(self.region).create_queue(name, **fifo)

    def delete(self, name: str) -> None:
        """Take a queue away."""
        with self.lock:
            self._backend(self.region).delete_queue(name)

    def send(self, name: str, *bodies: str) -> None:
        """Put messages into a queue."""
        fifo = name.endswith(".fifo")
        with self.lock:
            for n, body in enumerate(bodies):
                group = {"group_id": "g", "deduplication_id": f"{n} {body}"} if fifo else {}
                self._backend(self.region).send_message(name, body, **group)
            self.lock.notify_all()

    def length(self, name: str) -> int:
        """How many messages have not been deleted."""
        with self.lock:
            return len(self._backend(self.region).get_queue(name)._messages)

    def answer(self, request: Request) -> Answer:
        """What SQS answers, after the wait that the request grants."""
        principal = self.iam.principal(request)
        name = request.params.get("QueueUrl", "").rpartition("/")[2]
        action = f"sqs:{_ACTIONS.get(request.action, request.action)}"
        # As AWS does, it writes actions in small letters.
        arn = f"arn:aws:sqs:{request.region}:{self.iam.account}:{name}"
        self.iam.demand(principal, action, arn, named=action.lower())
        try:
            return _OPERATIONS[request.action](self, request, name)
        except QueueDoesNotExist as missing:
            raise _error("QueueDoesNotExist", "The specified queue does not exist.", _NO_QUEUE) from missing

    def _receive(self, request: Request, name: str) -> Answer:
        params = request.params
        _between("MaxNumberOfMessages", params.get("MaxNumberOfMessages", 1), 1, 10)
        _between("WaitTimeSeconds", params.get("WaitTimeSeconds", 0), 0, 20)
        until = time.monotonic() + params.get("WaitTimeSeconds", 0)
        most, hidden = params.get("MaxNumberOfMessages", 1), params.get("VisibilityTimeout", 30)
        with self.lock:
            while not (taken := self._backend(request.region).receive_message(name, most, 0, hidden)):
                if (left := until - time.monotonic()) <= 0:
                    break
                self.lock.wait(min(left, _LOOK_SECONDS))
        return json_answer({"Messages": [_message(each) for each in taken]} if taken else {})

    def _delete(self, request: Request, name: str) -> Answer:
        entries = request.params["Entries"]
        if len(entries) > 10 or len({entry["Id"] for entry in entries}) < len(entries):
            raise _error("TooManyEntriesInBatchRequest", "Ten entries at most, each with an Id of its own.")
        answer: dict[str, list[Any]] = {"Successful": [], "Failed": []}
        with self.lock:
            for entry in entries:
                try:
                    self._backend(request.region).delete_message(name, entry["ReceiptHandle"])
                    answer["Successful"].append({"Id": entry["Id"]})
                except ReceiptHandleIsInvalid:
                    answer["Failed"].append({"Id": entry["Id"], "SenderFault": True, "Code": "ReceiptHandleIsInvalid"})
        return json_answer(answer)

    def _backend(self, region: str) -> Any:
        return sqs_backends[self.iam.account][region]


def _message(message: Any) -> dict[str, str]:
    return {
        "MessageId": message.id,
        "ReceiptHandle": message.receipt_handle,
        "MD5OfBody": message.body_md5,
        "Body": message.body,
    }


def _between(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise _error("InvalidParameterValue", f"Value {value} for parameter {name} is invalid.")


_NO_QUEUE = "AWS.SimpleQueueService.NonExistentQueue"


def _error(code: str, message: str, former: str = "") -> AwsError:
    """An error of SQS, with the code that it had in the former protocol."""
    return AwsError(code, message, headers={"x-amzn-query-error": f"{former or code};Sender"})


_OPERATIONS: dict[str, Callable[[Queues, Request, str], Answer]] = {
    "ReceiveMessage": Queues._receive,
    "DeleteMessageBatch": Queues._delete,
}
