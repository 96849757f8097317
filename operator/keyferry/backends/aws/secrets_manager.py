"""The backend: lists with ListSecrets, reads with BatchGetSecretValue, or one by one where that is not granted."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from keyferry.api.providers.aws import Aws
from keyferry.backends.aws import catalogue, reading, writing
from keyferry.backends.aws.errors import CallDenied, told
from keyferry.backends.aws.messages import Messages
from keyferry.backends.base import Access, Context, Heard
from keyferry.backends.calling import Caller
from keyferry.backends.turns import AtFirstUse
from keyferry.errors import BackendUnavailable, SecretMissing, SpecInvalid, SyncError, Throttled, bare, bared
from keyferry.values import Entry, Fetched, Ref, Scope

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_secretsmanager.type_defs import FilterTypeDef

    from keyferry.backends.aws.connection import Connection

T = TypeVar("T")


class NextToken(TypedDict, total=False):
    """Where the next page starts."""

    NextToken: str


class PartlyThrottled(Throttled):
    """An answer in which only some were refused for having been too many: the budget must hear of it all the same."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        super().__init__("some were asked for too often")
        self.answer = answer


NOBODY = "keyferry/probe/there-is-no-such-secret"
NO_LISTING = (
    "secretsmanager:ListSecrets on *: without it nothing tells what changed, so every refresh reads every value anew; "
    "only mapping by Names and Paths works, and find does not"
)
NO_BATCHING = (
    "secretsmanager:BatchGetSecretValue on *: without it every value costs a call of its own, not a 20th of one"
)
UNSURE = (
    "secretsmanager:GetSecretValue: could only be tried on a secret that does not exist; whether the store's secrets "
    "may be read shows when they are"
)


class AwsBackend:
    """Reads and writes secrets. Connects when it is first used; a failure to connect is tried anew at every use."""

    tagged = True

    def __init__(self, spec: Aws, context: Context) -> None:
        self.batch = reading.BATCH
        self._spec = spec
        self._context = context
        self._caller = Caller(context)
        self._connection: AtFirstUse[Connection] = AtFirstUse(self._connect, _close)
        url = spec.events.sqs.queue_url if spec.events else ""
        self._messages = Messages(url, context, self._connected) if url else None

    def __repr__(self) -> str:
        return f"AwsBackend({self._context.store})"

    async def check(self) -> Access:
        """Log in and find out what is allowed, in two calls, or three where little is. Raises SyncError."""
        return await bared(self._check())

    async def fetch(self, refs: Collection[Ref]) -> Mapping[Ref, Fetched]:
        """Answer for every ref. An expected failure is an answer."""
        wanted = list(dict.fromkeys(refs))
        askable = [ref for ref in wanted if reading.possible(ref)]
        answers: dict[Ref, Fetched] = {
            ref: SecretMissing(f"no secret of Secrets Manager can be named {ref.id!r}") for ref in wanted
        }
        if not askable:
            return answers
        try:
            connection = await self._connected()
        except SyncError as e:
            return answers | {ref: bare(e) for ref in askable}
        return answers | await self._read(connection, reading.batches(askable, self.batch))

    async def entries(self, scope: Scope) -> AsyncIterator[Entry]:
        """Every entry in the scope, and perhaps more. Raises SyncError; then what came before is not to be trusted."""
        filters, seen, token = catalogue.filters(scope), set[str](), ""
        while True:
            page = await bared(self._page(filters, token))
            for entry in catalogue.entries(page):
                yield entry
            token = str(page.get("NextToken") or "")
            if not token:
                return
            if token in seen or len(seen) >= catalogue.PAGES:
                raise BackendUnavailable("Secrets Manager's pages of ListSecrets do not end")
            seen.add(token)

    def sweep_calls(self, entries: int) -> int:
        """A call for each page of a hundred."""
        return math.ceil(entries / catalogue.PAGE)

    def hints(self) -> AsyncGenerator[Heard, None] | None:
        """What is heard from the queue that the spec names; None where it names none."""
        return self._messages.heard() if self._messages else None

    async def put(self, name: str, data: bytes, tags: Mapping[str, str]) -> str:
        """Create or update the secret, with just these tags but for AWS's own; its new version. Raises SyncError."""
        return await bared(self._wrote(lambda connection: writing.put(connection, name, data, tags)))

    async def delete(self, name: str) -> None:
        """Schedule the secret for deletion in 30 days. Raises SecretMissing when there is none."""
        await bared(self._wrote(lambda connection: writing.delete(connection, name)))

    async def restore(self, name: str) -> str:
        """Take a scheduled deletion back; the version that is current again. Raises SyncError."""
        return await bared(self._wrote(lambda connection: writing.restore(connection, name)))

    async def aclose(self) -> None:
        """Let go of connections and threads, without waiting for calls that are under way."""
        self._caller.close()
        if self._messages is not None:
            self._messages.close()
        await self._connection.end()

    async def _connected(self) -> "Connection":
        """Connected, and with keys that hold for a while."""
        connection = await self._connection.get()
        await connection.wallet.fresh()
        return connection

    async def _wrote(self, work: "Callable[[Connection], Awaitable[T]]") -> T:
        return await work(await self._connected())

    async def _connect(self) -> "Connection":
        connect = await self._caller.aside(_connector)
        return await connect(self._spec, self._context, self._caller)

    async def _check(self) -> Access:
        connection = await self._connected()
        listing = await _granted(self._probe_list())
        batching = await _granted(_probe_batch(connection))
        self.batch = reading.BATCH if batching else 1
        lacking = [] if listing else [NO_LISTING]
        lacking += [] if batching else [NO_BATCHING]
        if not listing and not batching and not await _granted(_probe_one(connection)):
            lacking.append(UNSURE)
        return Access(listing, batching, tuple(lacking))

    async def _page(
        self, filters: "list[FilterTypeDef]", token: str = "", size: int = catalogue.PAGE
    ) -> Mapping[str, Any]:
        connection = await self._connected()
        more: NextToken = {"NextToken": token} if token else {}
        return await connection.ask(
            "ListSecrets", lambda client: client.list_secrets(Filters=filters, MaxResults=size, **more)
        )

    async def _probe_list(self) -> None:
        list(catalogue.entries(await self._page([], size=1)))

    async def _read(self, connection: "Connection", batches: Iterable[Sequence[Ref]]) -> dict[Ref, Fetched]:
        async with asyncio.TaskGroup() as group:
            parts = [group.create_task(self._answers(connection, refs)) for refs in batches]
        return {ref: answer for part in parts for ref, answer in part.result().items()}

    async def _answers(self, connection: "Connection", refs: Sequence[Ref]) -> dict[Ref, Fetched]:
        if self.batch == 1 or refs[0].version:
            return await _singly(connection, refs)
        try:
            return await _together(connection, refs)
        except CallDenied:  # no batches, then, until `check` finds that they are granted again
            self.batch = 1
        except SecretMissing:  # AWS finds one of the ids malformed, and so the whole call; which one, it does not say
            pass
        except SyncError as e:
            return {ref: bare(e) for ref in refs}
        return await _singly(connection, refs)


async def _together(connection: "Connection", refs: Sequence[Ref]) -> dict[Ref, Fetched]:
    """One call of BatchGetSecretValue, and the pages that follow it. Raises what befalls all of it."""
    answers: dict[Ref, Fetched] = {
        ref: BackendUnavailable(f"Secrets Manager's answer leaves out {ref.id}, which was asked") for ref in refs
    }
    seen, token = set[str](), ""
    while token not in seen:
        seen.add(token)
        page = await _batch(connection, [ref.id for ref in refs], token)
        answers |= reading.answered(refs, page.get("SecretValues") or ())
        for ref, failure in reading.refused(refs, page.get("Errors") or ()).items():
            answers[ref] = told(failure, connection.about("GetSecretValue", ref.id))
        token = str(page.get("NextToken") or "")
        if not token:
            break
    return answers


async def _batch(connection: "Connection", ids: Sequence[str], token: str = "") -> Mapping[str, Any]:
    more: NextToken = {"NextToken": token} if token else {}

    def ask(client: "SecretsManagerClient") -> Mapping[str, Any]:
        answer = client.batch_get_secret_value(SecretIdList=ids, **more)
        if reading.throttled(answer.get("Errors") or ()):
            raise PartlyThrottled(answer)
        return answer

    try:
        return await connection.ask("BatchGetSecretValue", ask)
    except PartlyThrottled as partly:
        return partly.answer


async def _singly(connection: "Connection", refs: Sequence[Ref]) -> dict[Ref, Fetched]:
    async with asyncio.TaskGroup() as group:
        reads = {ref: group.create_task(_one(connection, ref)) for ref in refs}
    return {ref: read.result() for ref, read in reads.items()}


async def _one(connection: "Connection", ref: Ref) -> Fetched:
    try:
        answer: Mapping[str, Any] = await connection.ask(
            "GetSecretValue",
            lambda client: client.get_secret_value(SecretId=ref.id, **reading.version_named(ref)),
            resource=ref.id,
            version=ref.version,
        )
    except SyncError as e:
        return bare(e)
    return reading.value_of(answer, ref)


async def _probe_batch(connection: "Connection") -> None:
    answer = await _batch(connection, [NOBODY])
    if not any(answer.get("Errors") or ()) and not any(answer.get("SecretValues") or ()):
        raise BackendUnavailable("Secrets Manager's answer to BatchGetSecretValue says nothing of what was asked")


async def _probe_one(connection: "Connection") -> None:
    answer = await _one(connection, Ref(NOBODY))
    if isinstance(answer, SyncError) and not isinstance(answer, SecretMissing):
        raise answer


async def _granted(call: Awaitable[object]) -> bool:
    try:
        await call
    except CallDenied:
        return False
    return True


async def _close(connection: "Connection") -> None:
    connection.client.close()


def _connector() -> "Callable[[Aws, Context, Caller], Awaitable[Connection]]":
    try:
        from keyferry.backends.aws import connection  # noqa: PLC0415 - brings AWS's SDK in, on first use
    except ModuleNotFoundError as e:
        if e.name is None or e.name.partition(".")[0] not in {"boto3", "botocore"}:
            raise
        raise SpecInvalid("this operator is installed without AWS's SDK: install keyferry[aws]") from e
    return connection.connect
