import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keyferry.api.providers.vault import Vault
from keyferry.backends.base import Catalogue, Restorer, Writer
from keyferry.backends.vault import create
from keyferry.backends.vault.answers import alive, entry, value, why_absent
from keyferry.backends.vault.backend import possible
from keyferry.errors import BackendUnavailable
from keyferry.values import Entry, Value
from tests.contract.context import context

ROOT = Path(__file__).resolve().parents[4]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
THEN = "2025-01-01T00:00:00.123456789Z"
SPEC = {"server": "https://vault.example", "auth": {"method": "Token", "secretRef": {"name": "s", "key": "k"}}}
LATER = "2027-01-01T00:00:00Z"


def version(**more: Any) -> dict[str, Any]:
    return {"created_time": THEN, "deletion_time": "", "destroyed": False, **more}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (version(), True),
        (version(deletion_time=THEN), False),
        (version(deletion_time=LATER), True),
        (version(destroyed=True), False),
    ],
    ids=["there", "deleted", "to be deleted", "destroyed"],
)
def test_a_version_can_be_read_until_it_is_deleted_or_destroyed(found: dict[str, Any], *, expected: bool):
    assert alive(found, NOW) is expected


def test_metadata_becomes_a_line_with_every_version_and_the_tags():
    metadata = {
        "current_version": 3,
        "versions": {"2": version(deletion_time=THEN), "1": version(), "3": version()},
        "custom_metadata": {"team": "x"},
    }
    current = f"3@{THEN}"
    assert entry("db", metadata, NOW) == Entry("db", "db", {"1": f"1@{THEN}", "3": current, "": current}, {"team": "x"})


def test_a_line_without_its_current_version_keeps_the_others():
    metadata = {
        "current_version": 2,
        "versions": {"1": version(), "2": version(destroyed=True)},
        "custom_metadata": None,
    }
    assert entry("db", metadata, NOW) == Entry("db", "db", {"1": f"1@{THEN}"}, {})


@pytest.mark.parametrize("metadata", [{"current_version": 0, "versions": {}}, {"current_version": 1, "versions": {}}])
def test_without_a_version_that_can_be_read_there_is_no_line(metadata: dict[str, Any]):
    assert entry("db", metadata, NOW) is None


@pytest.mark.parametrize("metadata", [{}, {"versions": {}}, {"current_version": "1", "versions": {}}])
def test_half_a_line_is_none(metadata: dict[str, Any]):
    with pytest.raises(BackendUnavailable):
        entry("db", metadata, NOW)


def test_a_value_is_the_map_as_json_at_its_version():
    metadata = {"version": 7, "created_time": THEN}
    got = value({"data": {"data": {"b": "ä", "a": [1, None]}, "metadata": metadata}}, "secret/db")
    assert got == Value('{"b":"ä","a":[1,null]}'.encode(), f"7@{THEN}")


@pytest.mark.parametrize(
    ("found", "telling"),
    [
        ({"version": 2, "deletion_time": THEN, "destroyed": False}, "version 2 of kv/db is deleted"),
        ({"version": 2, "deletion_time": "", "destroyed": True}, "version 2 of kv/db was destroyed"),
    ],
)
def test_what_became_of_a_version_is_told(found: dict[str, Any], telling: str):
    assert telling in why_absent("kv/db", "", {"data": {"data": None, "metadata": found}})


@pytest.mark.parametrize("name", ["a", "a/b", "a b", "a.b", "..a", "ä/…", "%2e%2e"])
def test_what_can_be_a_name(name: str):
    assert possible(name)


@pytest.mark.parametrize(
    "name", ["", "/", "a/", "/a", "a//b", ".", "..", "a/..", "./a", "a\tb", "a\x00", " a", "a/b ", "\ud800"]
)
def test_what_can_be_no_name(name: str):
    assert not possible(name)


async def test_vault_can_be_listed_written_to_and_restored_from():
    backend = create(Vault.model_validate(SPEC), context())
    assert isinstance(backend, Catalogue)
    assert isinstance(backend, Writer)
    assert isinstance(backend, Restorer)
    await backend.aclose()


def printed(script: str) -> str:
    """What a new process prints, in which nothing has been imported yet."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout


def test_the_sdk_is_not_loaded_before_it_is_used():
    assert printed("import sys, keyferry.app, keyferry.backends.vault; print('hvac' in sys.modules)") == "False\n"


def test_without_the_sdk_the_extra_is_named():
    said = printed(f"""
import asyncio, sys
sys.modules["hvac"] = None
from keyferry.api.providers.vault import Vault
from keyferry.backends.vault import create
from keyferry.errors import SpecInvalid
from tests.contract.context import context

async def check():
    try:
        await create(Vault.model_validate({SPEC}), context()).check()
    except SpecInvalid as e:
        print(e)

asyncio.run(check())
""")
    assert said == "this operator is installed without Vault's SDK: install keyferry[vault]\n"
