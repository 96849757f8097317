"""Aspects: what a put changes of what is there; whose that is; what is so already; what was deleted."""

import pytest

from tests.unit.cli.conftest import Cli
from tests.unit.cli.test_secret import CANARY, refused


def test_what_keyferry_created_is_overwritten_without_a_question(cli: Cli):
    cli.done("put db", stdin=b"old")
    cli.done("put db", stdin=b"new")
    assert cli.held("db") == b"new"


def test_what_somebody_else_created_is_overwritten_only_by_who_says_so(cli: Cli):
    cli.seed("db")
    assert "db in SecretStore payments/team was not created by Keyferry: say --yes" in refused(
        cli, "put db", stdin=CANARY
    )
    assert cli.held("db") == b"seed"
    cli.done("put db --yes", stdin=b"new")
    assert cli.held("db") == b"new"
    refused(cli, "put db", stdin=CANARY)  # it is still not Keyferry's


def test_what_changes_is_told_by_keys_and_never_by_values(cli: Cli):
    cli.done("put db", stdin=b'{"user": "u", "password": "canary-5f2a", "host": "h"}')
    result = cli.run("put db", stdin=b'{"user": "u", "password": "canary-5f2a2", "port\\u001b": 1}')
    assert result.stderr.splitlines() == ["  - host", "  ~ password", "  + port\N{REPLACEMENT CHARACTER}"]
    assert CANARY.decode() not in result.output


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (b"old", b"newer", "~ the value is another (3 bytes before, 5 now)"),
        (b"[1]", b'{"a": 1}', "~ the value is another (3 bytes before, 8 now)"),
        (b'{"a": 1}', b'{ "a": 1 }', "~ the same keys and values, written otherwise"),
    ],
    ids=["text", "a list", "spaces"],
)
def test_what_has_no_keys_to_tell_is_told_as_a_whole(cli: Cli, before: bytes, after: bytes, told: str):
    cli.done("put db", stdin=before)
    assert cli.run("put db", stdin=after).stderr == f"  {told}\n"


def test_what_is_so_already_is_not_written_again(cli: Cli):
    cli.done("put db --tag tier=web", stdin=b"v")
    version = cli.entries()["db"].versions[""]
    assert cli.done("put db", stdin=b"v") == f"db: db holds that already, version {version}\n"
    assert cli.entries()["db"].versions[""] == version
    cli.done("put db --tag tier=db", stdin=b"v")
    assert cli.tags() == {"db": {"tier": "db"}}


def test_what_cannot_be_restored_is_told(cli: Cli):
    assert "what was deleted from sql cannot be restored" in refused(cli, "restore db")
