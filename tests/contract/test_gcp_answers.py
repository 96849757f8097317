"""What Google answers, and what comes of it: each error told apart, and nothing of Google's own words passed on."""

import asyncio
import logging
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from keyferry.backends.gcp import GcpBackend
from keyferry.errors import (
    BackendUnavailable,
    CredentialsMissing,
    PermissionDenied,
    SecretMissing,
    SecretUnusable,
    SyncError,
    Throttled,
)
from keyferry.values import Entry, Fetched, Ref, Scope, Value
from tests.contract.context import SeededCluster
from tests.contract.gcp_stores import store
from tests.standins.gcp import GcpStandIn
from tests.standins.gcp_wire import changing, error

pytest_plugins = ["tests.contract.gcp_fixtures"]

DB = "projects/acme-prod/secrets/db"
KEY = "the service account key in Secret payments/gcp, key key.json"


async def answer(backend: GcpBackend, name: str = "db", version: str = "") -> Fetched:
    ref = Ref(name, version)
    return (await backend.fetch([ref]))[ref]


async def listed(backend: GcpBackend, **scope: Any) -> list[Entry]:
    return [entry async for entry in backend.entries(Scope(**scope))]


async def told(gcp: GcpStandIn, kind: type[SyncError], version: str = "") -> str:
    """What the answer of a single read says."""
    async with aclosing(store(gcp)) as backend:
        got = await answer(backend, version=version)
    assert type(got) is kind
    return str(got)


async def test_the_newest_version_is_read_and_its_number_told(gcp: GcpStandIn):
    gcp.put("db", b"old")
    gcp.put("db", b"new")
    async with aclosing(store(gcp)) as backend:
        assert await answer(backend) == Value(b"new", "2")
        assert await answer(backend, version="1") == Value(b"old", "1")
        assert await answer(backend, version="latest") == Value(b"new", "2")


async def test_an_alias_is_a_version_that_the_catalogue_knows(gcp: GcpStandIn):
    gcp.put("db", b"old")
    gcp.put("db", b"new")
    gcp.alias("db", stable=1)
    async with aclosing(store(gcp)) as backend:
        assert await answer(backend, version="stable") == Value(b"old", "1")
        (entry,) = await listed(backend)
    assert entry.versions == {"": "", "stable": "1"}


async def test_names_are_the_secrets_own_whatever_google_calls_the_project(gcp: GcpStandIn):
    gcp.put("db", b"v")
    async with aclosing(store(gcp, spec={"projectId": "123456789012"})) as by_number, aclosing(store(gcp)) as by_id:
        for backend in (by_number, by_id):
            assert [(entry.id, entry.name) for entry in await listed(backend)] == [("db", "db")]
            assert await answer(backend) == Value(b"v", "1")


async def test_a_region_has_its_own_secrets(gcp: GcpStandIn):
    gcp.put("db", b"global")
    gcp.put("db", b"regional", location="europe-west3")
    async with aclosing(store(gcp, spec={"location": "europe-west3"})) as backend:
        assert await answer(backend) == Value(b"regional", "1")
        assert [entry.name for entry in await listed(backend)] == ["db"]


async def test_a_secret_that_is_not_there_and_one_without_a_value_are_missing(gcp: GcpStandIn):
    assert await told(gcp, SecretMissing) == f"there is no secret {DB}, or it has no value yet"
    gcp.put_empty("db")
    assert await told(gcp, SecretMissing) == f"there is no secret {DB}, or it has no value yet"


@pytest.mark.parametrize("version", ["7", "no-such-alias"])
async def test_a_version_that_is_not_there_is_missing(gcp: GcpStandIn, version: str):
    gcp.put("db", b"v")
    assert await told(gcp, SecretMissing, version) == f"there is no secret {DB}, or no version {version} of it"


async def test_a_disabled_version_is_told_and_nothing_older_is_taken(gcp: GcpStandIn):
    gcp.put("db", b"old")
    gcp.put("db", b"new")
    gcp.disable("db")
    assert (await told(gcp, SecretUnusable)).startswith(f"the newest version of {DB} is disabled: enable it, ")


async def test_a_destroyed_version_is_told(gcp: GcpStandIn):
    gcp.put("db", b"v")
    gcp.destroy("db")
    assert (await told(gcp, SecretUnusable, "1")).startswith(f"version 1 of {DB} is destroyed: its value is gone, ")


async def test_a_key_of_ones_own_that_is_not_enabled_is_told(gcp: GcpStandIn):
    with gcp.faults.during("AccessSecretVersion", error("FAILED_PRECONDITION", "KMS key canary is not enabled.")):
        text = await told(gcp, SecretUnusable)
    assert "if a key of your own encrypts it, that must be enabled" in text
    assert "canary" not in text


@pytest.mark.parametrize("name", ["", "a/b", "a.b", "x" * 256, "../other/secrets/db", "db/versions/1", "ž"])
async def test_what_no_secret_can_be_called_is_missing_and_nobody_is_asked(gcp: GcpStandIn, name: str):
    async with aclosing(store(gcp)) as backend:
        got = await answer(backend, name)
    assert isinstance(got, SecretMissing)
    assert repr(name) in str(got)
    assert gcp.calls.count() == 0


async def test_a_version_that_would_lead_elsewhere_is_not_asked_for(gcp: GcpStandIn):
    assert "'1/../2'" in await told(gcp, SecretMissing, "1/../2")
    assert gcp.calls.count() == 0


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (
            error("PERMISSION_DENIED", "canary"),
            PermissionDenied,
            f"{KEY} is not allowed secretmanager.versions.access on",
        ),
        (error("PERMISSION_DENIED", "canary", reason="SERVICE_DISABLED"), PermissionDenied, "API is not enabled for"),
        (
            error("PERMISSION_DENIED", "canary", reason="BILLING_DISABLED"),
            PermissionDenied,
            "no active billing account",
        ),
        (error("RESOURCE_EXHAUSTED", "canary"), Throttled, "the project's quota is used up"),
        (error("UNAVAILABLE", "canary"), BackendUnavailable, "cannot be reached, or breaks off"),
        (error("INTERNAL", "canary"), BackendUnavailable, "fails at AccessSecretVersion (INTERNAL)"),
        (error("ABORTED", "canary"), BackendUnavailable, "fails at AccessSecretVersion (ABORTED)"),
        (error("DEADLINE_EXCEEDED", "canary"), BackendUnavailable, "does not answer in time"),
        (error("UNIMPLEMENTED", "canary"), BackendUnavailable, "what Keyferry does not understand (UNIMPLEMENTED)"),
        (error("INVALID_ARGUMENT", "canary"), SecretMissing, "for no secret's name"),
    ],
    ids=lambda each: each if isinstance(each, str) and len(each) < 50 else None,
)
async def test_errors_are_told_without_googles_words(gcp: GcpStandIn, fault: Any, kind: type[SyncError], words: str):
    gcp.put("db", b"v")
    async with aclosing(store(gcp)) as backend:
        with gcp.faults.during("AccessSecretVersion", fault):
            got = await answer(backend)
    assert isinstance(got, kind)
    assert words in str(got)
    assert "canary" not in str(got)
    assert gcp.calls.count() == 1  # nobody retries but the scheduler


async def test_the_denied_permission_and_resource_are_named(gcp: GcpStandIn):
    gcp.put("db", b"v")
    gcp.iam.allow(gcp.admin.email, [])
    async with aclosing(store(gcp)) as backend:
        text = str(await answer(backend))
        assert f"{KEY} is not allowed secretmanager.versions.access on {DB}" in text
        with pytest.raises(PermissionDenied, match=r"secretmanager\.secrets\.list on projects/acme-prod: grant"):
            await listed(backend)


async def test_a_project_that_is_not_there_is_told(gcp: GcpStandIn):
    async with aclosing(store(gcp, spec={"projectId": "acme-pord"})) as backend:
        with pytest.raises(PermissionDenied, match="projects/acme-pord: there is no such project"):
            await listed(backend)


async def test_patience_is_taken_from_googles_own_word(gcp: GcpStandIn):
    async with aclosing(store(gcp)) as backend:
        with gcp.faults.during("AccessSecretVersion", error("RESOURCE_EXHAUSTED", retry_after=7.5)):
            got = await answer(backend)
    assert isinstance(got, Throttled)
    assert got.retry_after == 7.5


async def test_a_value_whose_checksum_is_wrong_is_no_value(gcp: GcpStandIn):
    gcp.put("db", b"v")

    def spoil(response: Any) -> None:
        response.payload.data_crc32c += 1

    async with aclosing(store(gcp)) as backend:
        with gcp.faults.during("AccessSecretVersion", changing(spoil)):
            got = await answer(backend)
        assert isinstance(got, BackendUnavailable)
        assert "checksum (CRC32C)" in str(got)
        assert await answer(backend) == Value(b"v", "1")


@pytest.mark.parametrize("name", ["projects/1/secrets/other/versions/1", "projects/1/secrets/db/versions/x", ""])
async def test_an_answer_about_something_else_is_no_value(gcp: GcpStandIn, name: str):
    gcp.put("db", b"v")
    with gcp.faults.during("AccessSecretVersion", changing(lambda response: setattr(response, "name", name))):
        assert "answers for another secret than db" in await told(gcp, BackendUnavailable)


async def test_a_list_with_a_line_that_makes_no_sense_is_not_trusted(gcp: GcpStandIn):
    gcp.put("db", b"v")

    def spoil(response: Any) -> None:
        response.secrets[0].name = "canary"

    async with aclosing(store(gcp)) as backend:
        with gcp.faults.during("ListSecrets", changing(spoil)), pytest.raises(BackendUnavailable) as failure:
            await listed(backend)
    assert "canary" not in str(failure.value)


async def test_pages_that_do_not_end_are_given_up(gcp: GcpStandIn):
    async with aclosing(store(gcp)) as backend:
        again = changing(lambda response: setattr(response, "next_page_token", "MA=="))
        with gcp.faults.during("ListSecrets", again), pytest.raises(BackendUnavailable, match="do not end"):
            await listed(backend)
    assert gcp.calls.count() == 2


async def test_the_largest_pages_are_asked_for_and_only_names_with_the_prefix(gcp: GcpStandIn):
    for name in ("acme-db", "other"):
        gcp.put(name, b"v")
    async with aclosing(store(gcp)) as backend:
        assert [entry.name for entry in await listed(backend, name_prefix="acme-")] == ["acme-db"]
    assert [call.request.page_size for call in gcp.calls.all()] == [25000]


async def test_a_ca_that_is_none_is_told(gcp: GcpStandIn):
    secrets = {"gcp": {"key.json": gcp.admin.key_file(), "ca.crt": b"canary"}}
    async with aclosing(store(gcp, cluster=SeededCluster(secrets))) as backend:
        with pytest.raises(CredentialsMissing, match=r"spec\.provider\.gcp\.caProvider: "):
            await backend.check()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://localhost:1", "AccessSecretVersion: cannot connect to localhost:1"),
        ("https://no-such-host.invalid", "AccessSecretVersion: there is no address for no-such-host.invalid"),
    ],
)
async def test_an_address_out_of_reach_is_told(gcp: GcpStandIn, address: str, words: str):
    async with aclosing(store(gcp, spec={"endpoint": address})) as backend:
        got = await answer(backend)
    assert isinstance(got, BackendUnavailable)
    assert str(got) == words


async def test_calls_under_way_end_when_the_store_is_closed(gcp: GcpStandIn):
    gcp.put("db", b"v")
    backend = store(gcp)
    await answer(backend)
    with gcp.faults.silence():
        under_way = asyncio.create_task(answer(backend))
        await asyncio.to_thread(gcp.calls.wait_for, 2)
        await backend.aclose()
        async with asyncio.timeout(5):
            got = await under_way
    assert "the store changed in the meantime" in str(got)
    assert "the store changed in the meantime" in str(await answer(backend))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def peers(gcp: GcpStandIn) -> int:
    """How many connections there were."""
    return len({call.peer for call in gcp.calls.all()})


@pytest.mark.parametrize("status", ["RESOURCE_EXHAUSTED", "INTERNAL", "PERMISSION_DENIED"])
async def test_a_connection_serves_on_while_it_is_not_what_failed(gcp: GcpStandIn, status: str):
    async with aclosing(store(gcp)) as backend:
        with gcp.faults.during("AccessSecretVersion", error(status)):
            for _ in range(3):
                await answer(backend)
    assert peers(gcp) == 1


async def test_what_did_not_answer_in_time_is_not_asked_again_by_the_same_connection(gcp: GcpStandIn):
    gcp.put("db", b"v")
    async with aclosing(store(gcp, timeout=0.3)) as backend:
        with gcp.faults.silence():
            await answer(backend)
        answers = [await answer(backend) for _ in range(20)]
    assert any(isinstance(each, Value) for each in answers)
    assert peers(gcp) >= 2


async def test_failures_leave_no_task_and_no_open_file(gcp: GcpStandIn):
    gcp.put("db", b"v")
    async with aclosing(store(gcp)) as warm:
        await answer(warm)
    tasks, files = len(asyncio.all_tasks()), open_files()
    backend = store(gcp, timeout=2.0)
    await answer(backend)
    gcp.down()
    for _ in range(20):
        assert isinstance(await answer(backend), BackendUnavailable)
    gcp.up()
    assert isinstance(await answer(backend), Value)
    await backend.aclose()
    assert len(asyncio.all_tasks()) == tasks
    assert open_files() <= files + 2  # gRPC closes its last ones a moment later


async def test_the_client_logs_no_payload_at_any_level(gcp: GcpStandIn, caplog: pytest.LogCaptureFixture):
    loggers = [logging.getLogger(name) for name in ("google", "grpc")]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.addHandler(caplog.handler)
    gcp.put("db", b"canary")
    with caplog.at_level(logging.DEBUG):
        async with aclosing(store(gcp)) as backend:
            assert isinstance(await answer(backend), Value)
    for logger in loggers:
        logger.removeHandler(caplog.handler)
    assert [record for record in caplog.records if record.name.startswith(("google", "grpc"))] == []
