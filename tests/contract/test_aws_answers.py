"""Answers of AWS that are late, wrong, cut short or half: none is taken for the truth, and all are answers."""

import asyncio
import logging
import time
import traceback
from collections.abc import Callable
from contextlib import aclosing

import pytest

from keyferry.backends.aws import AwsBackend
from keyferry.errors import AuthFailed, BackendUnavailable, PermissionDenied, SecretMissing, SyncError, Throttled
from keyferry.values import Fetched, Ref, Scope, Value
from tests.contract.aws_stores import store
from tests.contract.context import CountingCalls
from tests.standins import aws_faults as faults
from tests.standins.aws import AwsStandIn

WHOLE = ["ListSecrets", "BatchGetSecretValue", "GetSecretValue"]


async def one(backend: AwsBackend, ref: Ref) -> Fetched:
    return (await backend.fetch([ref]))[ref]


async def names(backend: AwsBackend, scope: Scope | None = None) -> list[str]:
    return [entry.name async for entry in backend.entries(scope or Scope())]


async def failures(backend: AwsBackend, ref: Ref) -> list[SyncError]:
    """What listing and both ways of reading say."""
    got = list((await backend.fetch([ref, Ref(ref.id, "AWSCURRENT")])).values())
    assert all(isinstance(answer, SyncError) for answer in got), got
    with pytest.raises(SyncError) as listing:
        await names(backend)
    return [*(answer for answer in got if isinstance(answer, SyncError)), listing.value]


NONSENSE: dict[str, Callable[[], faults.Fault]] = {
    "nothing": lambda: faults.body(b""),
    "an empty object": lambda: faults.body(b"{}"),
    "a list": lambda: faults.body(b"[]"),
    "a word": lambda: faults.body(b'"canary"'),
    "null": lambda: faults.body(b"null"),
    "no JSON": lambda: faults.body(b"canary <html>"),
    "no UTF-8": lambda: faults.body(b"\xff\xfe\x00"),
    "an abyss": lambda: faults.body(b"[" * 100000),
    "wrong types": lambda: faults.body(b'{"SecretList": "canary", "SecretValues": 5, "SecretString": 7, "ARN": []}'),
    "lists of nothing": lambda: faults.body(b'{"SecretList": [null], "SecretValues": [null], "Errors": [null]}'),
    "half of the JSON": faults.truncated,
    "half of the bytes": faults.broken_off,
    "a reset": faults.reset,
    "a page of HTML with 404": lambda: faults.body(b"<html>canary", 404),
    "a page of HTML with 502": lambda: faults.body(b"<html>canary", 502),
    "a failure of its own": lambda: faults.error("InternalServiceError", 500),
    "an error nobody knows": lambda: faults.error("SomethingNew", 400, message="canary"),
}


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE)
async def test_nonsense_is_an_unavailable_backend_and_ends(aws: AwsStandIn, nonsense: Callable[[], faults.Fault]):
    ref = Ref(aws.put("db", "v"))
    async with aclosing(store(aws)) as backend:
        await backend.check()
        with aws.faults.during("*", nonsense()):
            errors = await failures(backend, ref)
            with pytest.raises(BackendUnavailable):
                await backend.check()
        assert isinstance(await one(backend, ref), Value)
        assert await names(backend) == ["db"]
    assert {type(error) for error in errors} == {BackendUnavailable}
    assert {error.__cause__ or error.__context__ for error in errors} == {None}
    assert {error.__traceback__ for error in errors[:2]} == {None}, "answers were never raised, as far as one can see"
    assert "canary" not in str(errors)


@pytest.mark.parametrize("action", WHOLE)
async def test_what_does_not_answer_is_told_by_operation_and_address(aws: AwsStandIn, action: str):
    ref = Ref(aws.put("db", "v"))
    async with aclosing(store(aws, timeout=0.2, budget=CountingCalls(30))) as backend:
        with aws.faults.silence():
            errors = await failures(backend, ref)
    assert f"{action}: {aws.host} does not answer in time" in [str(error) for error in errors]


async def test_a_refused_connection_is_told_by_address_without_the_rest_of_the_url(aws: AwsStandIn):
    async with aclosing(store(aws, spec={"endpoint": "http://127.0.0.1:1/"})) as backend:
        assert str(await one(backend, Ref("db"))) == "BatchGetSecretValue: cannot connect to 127.0.0.1:1"


async def test_a_host_that_no_dns_knows_is_told(aws: AwsStandIn):
    async with aclosing(store(aws, spec={"endpoint": "http://nowhere.invalid"})) as backend:
        assert str(await one(backend, Ref("db"))) == "BatchGetSecretValue: cannot connect to nowhere.invalid"


async def test_an_address_without_the_tls_that_was_asked_for_is_told(aws: AwsStandIn):
    async with aclosing(store(aws, spec={"endpoint": aws.url.replace("http:", "https:")})) as backend:
        answer = await one(backend, Ref("db"))
    assert isinstance(answer, BackendUnavailable)
    assert f"no secure connection to {aws.host}" in str(answer)


@pytest.mark.parametrize("retry_after", [None, 7])
async def test_throttling_says_how_long_to_wait_if_aws_does(aws: AwsStandIn, retry_after: int | None):
    ref = Ref(aws.put("db", "v"))
    async with aclosing(store(aws)) as backend:
        with aws.faults.during("*", faults.error("ThrottlingException", retry_after=retry_after)):
            answer = await one(backend, ref)
    assert isinstance(answer, Throttled)
    assert answer.retry_after == retry_after


class Noticing(CountingCalls):
    """A budget that keeps what was raised inside it."""

    def __init__(self, timeout: float) -> None:
        super().__init__(timeout)
        self.met: list[SyncError] = []

    async def __call__(self, operation, call):
        try:
            return await super().__call__(operation, call)
        except SyncError as e:
            self.met.append(e)
            raise


async def test_an_answer_that_throttles_is_raised_inside_the_budget(aws: AwsStandIn):
    budget = Noticing(10)
    async with aclosing(store(aws, budget=budget)) as backend:
        with aws.faults.during("*", faults.Throttle(0)):
            await one(backend, Ref("db"))
    assert [type(error) for error in budget.met] == [Throttled]


async def test_a_batch_that_throttles_some_is_raised_inside_the_budget_and_the_others_are_read(aws: AwsStandIn):
    good, refused, budget = Ref(aws.put("good", "v")), Ref("refused"), Noticing(10)
    error = {"SecretId": "refused", "ErrorCode": "ThrottlingException", "Message": "Rate exceeded"}
    async with aclosing(store(aws, budget=budget)) as backend:
        with aws.faults.during("BatchGetSecretValue", faults.changing(lambda answer: answer.update(Errors=[error]))):
            got = await backend.fetch([good, refused])
    assert [type(answer) for answer in got.values()] == [Value, Throttled]
    assert [isinstance(error, Throttled) for error in budget.met] == [True]


async def test_nothing_is_retried_here(aws: AwsStandIn):
    async with aclosing(store(aws)) as backend:
        with aws.faults.during("*", faults.error("InternalServiceError", 500)):
            await one(backend, Ref("db"))
    assert aws.calls.counts() == {"BatchGetSecretValue": 1}


async def test_what_half_an_answer_leaves_out_is_not_missing(aws: AwsStandIn):
    kept, lost, gone = Ref(aws.put("kept", "v")), Ref(aws.put("lost", "v")), Ref("gone")
    async with aclosing(store(aws)) as backend:
        with aws.faults.during("BatchGetSecretValue", faults.leaving_out("lost")):
            got = await backend.fetch([kept, lost, gone])
    assert [type(answer) for answer in got.values()] == [Value, BackendUnavailable, SecretMissing]
    assert "leaves out" in str(got[lost])


async def test_a_value_that_is_another_secrets_is_not_taken(aws: AwsStandIn):
    ref = Ref(aws.put("db", "v"), "AWSCURRENT")
    with aws.faults.during("GetSecretValue", faults.changing(lambda answer: answer.update(Name="x", ARN="arn:x"))):
        async with aclosing(store(aws)) as backend:
            answer = await one(backend, ref)
    assert isinstance(answer, BackendUnavailable)
    assert "answers for another secret" in str(answer)


@pytest.mark.parametrize("part", ["SecretString", "VersionId"])
async def test_an_answer_without_value_or_version_is_not_taken(aws: AwsStandIn, part: str):
    ref = Ref(aws.put("db", "v"))
    with aws.faults.during("BatchGetSecretValue", faults.changing(lambda got: got["SecretValues"][0].pop(part))):
        async with aclosing(store(aws)) as backend:
            answer = await one(backend, ref)
    assert isinstance(answer, BackendUnavailable)
    assert "lacks its value or its version" in str(answer)


async def test_a_batch_that_comes_in_pages_is_read_to_its_end(aws: AwsStandIn):
    refs = [Ref(aws.put(f"s{n}", "v")) for n in range(10)]
    aws.secrets.page = 3
    async with aclosing(store(aws)) as backend:
        got = await backend.fetch(refs)
    assert all(isinstance(answer, Value) for answer in got.values())
    assert aws.calls.count("BatchGetSecretValue") == 4


@pytest.mark.parametrize("action", ["BatchGetSecretValue", "ListSecrets"])
async def test_pages_that_lead_back_to_themselves_end(aws: AwsStandIn, action: str):
    ref, lost = Ref(aws.put("db", "v")), Ref(aws.put("lost", "v"))
    endless = faults.changing(lambda answer: answer.update(NextToken="1"))
    async with aclosing(store(aws)) as backend:
        with aws.faults.during(action, endless), aws.faults.during("*", faults.leaving_out("lost")):
            if action == "ListSecrets":
                with pytest.raises(BackendUnavailable, match="do not end"):
                    await names(backend)
            else:
                assert isinstance((await backend.fetch([ref, lost]))[ref], Value)
    assert aws.calls.count(action) <= 3


async def test_a_list_that_breaks_off_in_the_middle_is_an_error_and_not_an_end(aws: AwsStandIn):
    for n in range(150):
        aws.put(f"s{n}", "v")
    async with aclosing(store(aws)) as backend:
        aws.faults.add("ListSecrets", lambda _, proceed: proceed(), times=1)
        aws.faults.add("ListSecrets", faults.error("InternalServiceError", 500), times=1)
        with pytest.raises(BackendUnavailable):
            await names(backend)


@pytest.mark.parametrize("part", ["Name", "ARN"])
async def test_a_line_of_the_list_without_name_or_arn_is_an_error(aws: AwsStandIn, part: str):
    aws.put("db", "v")
    with aws.faults.during("ListSecrets", faults.changing(lambda answer: answer["SecretList"][0].pop(part))):
        async with aclosing(store(aws)) as backend:
            with pytest.raises(BackendUnavailable, match="without name or ARN"):
                await names(backend)


async def test_an_expired_page_token_is_told(aws: AwsStandIn):
    with aws.faults.during("ListSecrets", faults.error("InvalidNextTokenException")):
        async with aclosing(store(aws)) as backend:
            with pytest.raises(BackendUnavailable, match="starts over"):
                await names(backend)


async def test_a_secret_without_a_value_is_missing_and_listed_without_current_version(aws: AwsStandIn):
    ref = Ref(aws.put_empty("db"))
    async with aclosing(store(aws)) as backend:
        answer = await one(backend, ref)
        entries = [entry async for entry in backend.entries(Scope())]
    assert isinstance(answer, SecretMissing)
    assert "has no value yet" in str(answer)
    assert dict(entries[0].versions) == {}


@pytest.mark.parametrize("version", ["", "AWSCURRENT"], ids=["in a batch", "alone"])
async def test_a_secret_scheduled_for_deletion_is_missing_and_not_listed(aws: AwsStandIn, version: str):
    ref = Ref(aws.put("db", "v"), version)
    aws.delete("db", at_once=False)
    async with aclosing(store(aws)) as backend:
        answer = await one(backend, ref)
        assert await names(backend) == []
    assert isinstance(answer, SecretMissing)
    assert "is scheduled for deletion" in str(answer)


async def test_labels_and_version_ids_are_read_and_listed_alike(aws: AwsStandIn):
    arn = aws.put("db", "old")
    old = aws.version("db")
    new = aws.rotate("db", "new")
    async with aclosing(store(aws)) as backend:
        got = await backend.fetch([Ref(arn, label) for label in ("", "AWSCURRENT", "AWSPREVIOUS", old, new)])
        (entry,) = [entry async for entry in backend.entries(Scope())]
    assert [answer.data for answer in got.values() if isinstance(answer, Value)] == [
        b"new",
        b"new",
        b"old",
        b"old",
        b"new",
    ]
    assert dict(entry.versions) == {"": new, "AWSCURRENT": new, "AWSPREVIOUS": old, new: new, old: old}


@pytest.mark.parametrize("version", ["NEVER", "12345678-1234-1234-1234-123456789012"], ids=["label", "version id"])
async def test_a_version_that_is_not_there_is_told(aws: AwsStandIn, version: str):
    ref = Ref(aws.put("db", "v"), version)
    async with aclosing(store(aws)) as backend:
        answer = await one(backend, ref)
    assert isinstance(answer, SecretMissing)
    assert str(answer) == f"{ref.id} has no version {version}"


async def test_a_version_that_cannot_be_one_is_told(aws: AwsStandIn):
    ref = Ref(aws.put("db", "v"), "odd")
    async with aclosing(store(aws)) as backend:
        with aws.faults.during("GetSecretValue", faults.error("ValidationException")):
            answer = await one(backend, ref)
    assert isinstance(answer, SecretMissing)
    assert f"does not take {ref.id} at version odd" in str(answer)


async def test_a_secret_may_be_asked_by_name_and_by_arn_with_and_without_its_suffix(aws: AwsStandIn):
    arn = aws.put("team/db", "v")
    refs = [Ref("team/db"), Ref(arn), Ref(arn[:-7])]
    async with aclosing(store(aws)) as backend:
        for ref in refs:
            assert isinstance(await one(backend, ref), Value)


@pytest.mark.parametrize("name", ["", "two words", "ä", "a\nb", "x" * 600, "a:b"])
async def test_a_name_that_no_secret_can_have_spoils_nothing_and_costs_nothing(aws: AwsStandIn, name: str):
    good = Ref(aws.put("db", "v"))
    async with aclosing(store(aws)) as backend:
        got = await backend.fetch([good, Ref(name)])
    assert isinstance(got[good], Value)
    assert isinstance(got[Ref(name)], SecretMissing)
    assert aws.calls.counts() == {"BatchGetSecretValue": 1}


async def test_one_id_that_aws_finds_malformed_does_not_spoil_its_batch(aws: AwsStandIn):
    good, odd = Ref(aws.put("db", "v")), Ref("odd")
    async with aclosing(store(aws)) as backend:
        with aws.faults.during("BatchGetSecretValue", faults.error("ValidationException")):
            got = await backend.fetch([good, odd])
    assert [type(answer) for answer in got.values()] == [Value, SecretMissing]


async def test_what_kms_cannot_decrypt_is_told_without_ending_batches(aws: AwsStandIn):
    ref = Ref(aws.put("db", "v"))
    failing = [{"SecretId": ref.id, "ErrorCode": "DecryptionFailure", "Message": "canary"}]
    async with aclosing(store(aws)) as backend:
        with aws.faults.during(
            "BatchGetSecretValue", faults.changing(lambda got: got.update(SecretValues=[], Errors=failing))
        ):
            answer = await one(backend, ref)
        assert backend.batch == 20
    assert isinstance(answer, PermissionDenied)
    assert f"KMS does not decrypt {ref.id}" in str(answer)


async def test_refs_are_read_in_as_few_calls_as_can_be(aws: AwsStandIn):
    refs = [Ref(aws.put(f"s{n}", "v")) for n in range(45)]
    async with aclosing(store(aws)) as backend:
        await backend.fetch([*refs, *refs])
    assert sorted(len(call.ids) for call in aws.calls.all("BatchGetSecretValue")) == [5, 20, 20]


async def test_a_closed_backend_answers_that_it_is_closed(aws: AwsStandIn):
    backend = store(aws)
    await backend.check()
    await backend.aclose()
    assert isinstance(await one(backend, Ref("db")), BackendUnavailable)


async def test_closing_does_not_wait_for_a_call_and_tells_whoever_does(aws: AwsStandIn):
    refs = [Ref(aws.put(f"s{n}", "v")) for n in range(400)]
    backend = store(aws)
    await backend.check()
    aws.calls.clear()
    with aws.faults.silence():
        reading = asyncio.create_task(backend.fetch(refs))
        await asyncio.to_thread(aws.calls.wait_for, 8)
        started = time.monotonic()
        await backend.aclose()
        assert time.monotonic() - started < 5, "the calls under way would take 9 seconds"
    got = await asyncio.wait_for(reading, 5)
    assert {type(answer) for answer in got.values()} == {BackendUnavailable}


async def test_a_cancelled_read_is_cancelled(aws: AwsStandIn):
    async with aclosing(store(aws)) as backend:
        await backend.check()
        with aws.faults.silence(), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await one(backend, Ref("db"))


async def test_a_lagging_list_does_not_change_what_a_read_says(aws: AwsStandIn):
    arn = aws.put("db", "old")
    old = aws.version("db")
    async with aclosing(store(aws)) as backend:
        with aws.faults.during("ListSecrets", faults.Stale()):
            await names(backend)
            new = aws.rotate("db", "new")
            (lagging,) = [entry async for entry in backend.entries(Scope())]
            answer = await one(backend, Ref(arn))
    assert lagging.versions[""] == old
    assert isinstance(answer, Value)
    assert (answer.data, answer.version) == (b"new", new)


async def test_the_sdk_is_quiet_though_everything_is_logged_at_debug_level(
    aws: AwsStandIn, caplog: pytest.LogCaptureFixture
):
    """Its own logs hold requests, signatures with session tokens, and whole answers."""
    key = aws.sts.session(aws.sts.role("r"), "s")
    ref = Ref(aws.put("db", "canary-value"))
    with caplog.at_level(logging.DEBUG):
        async with aclosing(store(aws, key=key)) as backend:
            await backend.check()
            assert isinstance(await one(backend, ref), Value)
            assert await names(backend) == ["db"]
            aws.iam.revoke(key.id)
            refused = await one(backend, ref)
            with pytest.raises(AuthFailed) as failure:
                await backend.check()
    told = "".join(traceback.TracebackException.from_exception(failure.value, capture_locals=True).format())
    for secret in ("canary-value", key.secret, str(key.token)):
        assert secret not in caplog.text + told + repr(backend) + repr(refused)
