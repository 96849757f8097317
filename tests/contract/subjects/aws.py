"""AWS Secrets Manager, on its stand-in."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from keyferry.backends.aws import AwsBackend
from keyferry.errors import AuthFailed, PermissionDenied, SyncError
from keyferry.values import Ref
from tests.contract.aws_stores import store
from tests.contract.subject import Subject
from tests.standins.aws import AwsStandIn
from tests.standins.aws_iam import EVERYTHING, AccessKey


class AwsSubject:
    """An account that a user with an access key reads."""

    wrong_login: type[SyncError] = AuthFailed
    batches = True

    def __init__(self, aws: AwsStandIn) -> None:
        self._aws = aws
        self._reader = aws.iam.user("reader")

    def backend(self, *, timeout: float = 10.0, wrong_login: bool = False) -> AwsBackend:
        key = AccessKey(self._reader.id, "not-the-secret") if wrong_login else self._reader
        return store(self._aws, key=key, timeout=timeout)

    async def put(self, name: str, data: bytes, tags: Mapping[str, str]) -> Ref:
        try:
            value: str | bytes = data.decode()
        except UnicodeDecodeError:
            value = data
        return Ref(self._aws.put(name, value, tags))

    async def delete(self, name: str) -> None:
        self._aws.delete(name)

    @asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        self._aws.down()
        try:
            yield
        finally:
            self._aws.up()

    @asynccontextmanager
    async def silence(self) -> AsyncIterator[None]:
        with self._aws.faults.silence():
            yield

    @asynccontextmanager
    async def spoiled(self, ref: Ref) -> AsyncIterator[type[SyncError]]:
        deny = {"Effect": "Deny", "Action": "secretsmanager:GetSecretValue", "Resource": ref.id}
        self._aws.iam.allow(self._reader.id, {"Statement": [*EVERYTHING["Statement"], deny]})
        yield PermissionDenied
        self._aws.iam.allow(self._reader.id, EVERYTHING)


@asynccontextmanager
async def open_subject(folder: Path) -> AsyncIterator[Subject]:
    with AwsStandIn() as aws:
        yield AwsSubject(aws)
