"""How a line of the log looks, as text and as JSON."""

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest

from keyferry.log import LogFormat, Trouble, about, configure, places


@pytest.fixture
def logger():
    """One whose lines are ours to look at; what pytest set up is put back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield logging.getLogger("keyferry.test")
    root.handlers[:], root.level = handlers, level


FIELDS = about("ExternalSecret", "team", "db", "Synced")


def test_json_is_one_object_a_line_with_fields_that_machines_filter_by(logger, capsys):
    configure("info", LogFormat.JSON)
    logger.info("ExternalSecret %s: %s\nsecond line", "team/db", "Synced", extra=FIELDS)
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    written = datetime.fromisoformat(told.pop("time"))
    assert (written.utcoffset(), abs(datetime.now(UTC) - written) < timedelta(minutes=1)) == (timedelta(0), True)
    assert told == {
        "level": "INFO",
        "name": "keyferry.test",
        "message": "ExternalSecret team/db: Synced\nsecond line",
        "kind": "ExternalSecret",
        "namespace": "team",
        "object": "db",
        "reason": "Synced",
    }


def test_text_says_nothing_twice_and_what_the_message_lacks(logger, capsys):
    configure("info", LogFormat.TEXT)
    logger.warning("ExternalSecret %s: %s", "team/db", "Synced", extra={**FIELDS, "listen": ":8080"})
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(" WARNING ExternalSecret team/db: Synced listen=:8080")


def test_what_has_no_namespace_has_no_such_field():
    assert "namespace" not in about("ClusterSecretStore", "", "aws", "Ready")


def test_libraries_that_log_bodies_are_held_at_warning_at_every_level(logger, capsys):
    configure("debug", LogFormat.TEXT)
    for name in ("botocore", "aiohttp", "kubernetes", "sqlalchemy", "urllib3", "azure", "google"):
        logging.getLogger(f"{name}.deep.inside").debug("a body")
        logging.getLogger(f"{name}.deep.inside").info("a body")
    logger.debug("ours")
    assert [line.rsplit(" ", 1)[-1] for line in capsys.readouterr().err.splitlines()] == ["ours"]


def test_where_a_bug_happened_is_told_without_its_text():
    told = places(_failure("canary"))
    assert "test_log.py" in told
    assert "ValueError" in told
    assert "canary" not in told


def _failure(text):
    try:
        int(text)
    except ValueError as bug:
        return ExceptionGroup(text, [bug])


def test_a_trouble_is_told_when_it_begins_or_is_another_then_once_a_minute_and_at_its_end(logger, caplog):
    now = 0.0
    trouble = Trouble("watching", logger, lambda: now)
    with caplog.at_level("INFO"):
        trouble.over()
        for second in range(130):
            now = float(second)
            trouble.caused_by("reset" if second < 100 else "refused")
        trouble.over()
        trouble.over()
        trouble.caused_by("reset")

    told = ["watching: reset"] * 2 + ["watching: refused", "watching: goes on", "watching: reset"]
    assert [record.getMessage() for record in caplog.records] == told
