"""How a node for the tests is got, and what happens where it cannot be."""

import os
from pathlib import Path

import pytest

from tests.controlplane.binaries import BinariesMissing
from tests.controlplane.processes import ProcessGroup
from tests.servers import __main__ as command
from tests.servers import elasticsearch_jars, elasticsearch_server

TOOLS = ("mvn", "javac", "jar", "java")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with an empty cache and no programs but those that a test puts into this folder."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("KEYFERRY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CI", raising=False)
    return programs


def program(machine: Path, name: str, script: str = "exit 0") -> None:
    path = machine / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def lines(said: list[str]) -> str:
    return "\n".join(said)


def test_what_lacks_is_named_with_how_to_get_it(machine: Path):
    program(machine, "java")
    with pytest.raises(
        elasticsearch_jars.NotToBeHad, match="There is no mvn, javac, jar here: install Maven and a JDK"
    ):
        elasticsearch_jars.ensure()


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)], ids=["here", "continuous integration"])
def test_what_is_left_out_is_named_and_is_a_failure_in_continuous_integration(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ci: str, code: int
):
    monkeypatch.setenv("CI", ci)
    assert command.others(["Elasticsearch"]) == code
    told = capsys.readouterr().err
    assert "install Maven and a JDK" in told
    assert "these are left out: the contract suite over elasticsearch, tests/contract/test_elasticsearch_" in told


@pytest.mark.usefixtures("machine")
def test_a_node_that_was_never_fetched_says_how_to_get_it(tmp_path: Path):
    with pytest.raises(BinariesMissing, match="Run `make servers` once"):
        elasticsearch_server.start(ProcessGroup(tmp_path), tmp_path)


def test_a_jar_that_is_not_the_pinned_one_is_refused_and_nothing_is_kept(machine: Path):
    for tool in TOOLS:
        program(machine, tool)
    folder = "for word; do case $word in -DoutputDirectory=*) at=${word#*=};; esac; done"
    program(machine, "mvn", f'{folder}\n/bin/mkdir "$at"\necho > "$at/x.jar"')
    said: list[str] = []
    with pytest.raises(elasticsearch_jars.NotToBeHad, match=r"x\.jar.*: not what jars\.sha256 says"):
        elasticsearch_jars.ensure(say=said.append)
    assert "getting Elasticsearch by Maven" in lines(said)
    cache = Path(os.environ["KEYFERRY_CACHE"])
    assert [path.name for path in cache.iterdir() if path.is_dir()] == []


def test_what_maven_says_last_is_shown(machine: Path):
    for tool in TOOLS:
        program(machine, tool)
    program(machine, "mvn", "echo the repository does not answer; exit 1")
    with pytest.raises(elasticsearch_jars.NotToBeHad, match=r"by Maven.*\n.*the repository does not answer"):
        elasticsearch_jars.ensure(say=lambda _: None)
