"""Aspects: which servers a test needs, and that all that are wanted start at once."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests import conftest
from tests.controlplane.processes import ProcessGroup
from tests.servers.every import SERVERS
from tests.servers.shared import Shared, needed


@pytest.mark.parametrize(
    ("fixtures", "params", "servers"),
    [
        (("kv", "vault"), {"vault": "openbao"}, {"openbao"}),
        (("kv", "vault"), {"vault": "vault"}, {"vault"}),
        (("backend", "subject"), {"subject": "vault_kv1"}, {"vault"}),
        (("backend", "subject"), {"subject": "openbao_kv2"}, {"openbao"}),
        (("backend", "subject"), {"subject": "sql_h2"}, {"h2"}),
        (("backend", "subject"), {"subject": "sql"}, set()),
        (("behind", "proxy"), {"behind": "elasticsearch"}, {"elastic"}),
        (("elastic", "index", "writer"), {}, {"elastic"}),
        (("pg_database", "postgresql"), {}, {"postgresql"}),
        (("database", "server"), {"server": "mariadb"}, {"mariadb"}),
        (("database", "server", "vault"), {"server": "mariadb"}, {"mariadb", "vault"}),
        (("tmp_path",), {"status": 403}, set()),
    ],
)
def test_names_say_what_a_test_needs(fixtures: tuple[str, ...], params: dict[str, Any], servers: set[str]):
    assert needed(SERVERS, fixtures, params) == {SERVERS[name] for name in servers}


def test_all_that_are_wanted_start_when_the_first_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    both = threading.Barrier(2, timeout=10)  # breaks unless both wait at the same time

    def start(_: ProcessGroup, __: Path) -> int:
        return both.wait()

    one, other = Shared("one", start), Shared("other", start)
    monkeypatch.setattr("tests.servers.shared.wanted", {other})
    assert {one.get(), other.get()} == {0, 1}


def test_the_servers_of_the_tests_that_were_chosen_are_wanted(monkeypatch: pytest.MonkeyPatch):
    chosen: set[Shared[Any]] = set()
    monkeypatch.setattr(conftest, "wanted", chosen)
    one = SimpleNamespace(fixturenames=("vault",), callspec=SimpleNamespace(params={"vault": "openbao"}))
    items = [one, SimpleNamespace(fixturenames=("elastic",)), SimpleNamespace()]
    conftest.pytest_collection_finish(cast("pytest.Session", SimpleNamespace(items=items)))
    assert chosen == {SERVERS["openbao"], SERVERS["elastic"]}
