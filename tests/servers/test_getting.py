"""Aspects: programs and jars that are there, or missing where nobody may get them; what that does to a test."""

from pathlib import Path

import pytest

from tests.controlplane.binaries import BinariesMissing
from tests.controlplane.processes import ProcessGroup
from tests.servers import maven
from tests.servers.programs import Packaged, ProgramMissing, ensure, required
from tests.servers.shared import Shared

JAR = ("com.example", "thing", "1.2")
ABSENT = Packaged("Oracle", ("no-such-program",), ("no-such-package",))


def test_a_jar_that_is_in_the_cache_is_not_got_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    environ = {"KEYFERRY_CACHE": str(tmp_path)}
    assert maven.find(*JAR, environ) is None
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / "thing-1.2.jar").write_bytes(b"jar")
    assert maven.jar(*JAR, environ) == maven.find(*JAR, environ) == tmp_path / "jars" / "thing-1.2.jar"


def test_without_maven_it_says_what_to_install_or_where_to_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(maven.MavenFailed, match=r"Install it \(Debian: maven\), or put com\.example:thing:1\.2 there"):
        maven.jar(*JAR, {"KEYFERRY_CACHE": str(tmp_path)})


def test_a_maven_that_fails_leaves_no_jar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "mvn").write_text("#!/bin/sh\necho no repository\nexit 1\n")
    (tmp_path / "mvn").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(maven.MavenFailed, match="no repository"):
        maven.jar(*JAR, {"KEYFERRY_CACHE": str(tmp_path)}, say=lambda _: None)
    assert maven.find(*JAR, {"KEYFERRY_CACHE": str(tmp_path)}) is None


def test_a_program_that_cannot_be_installed_is_told_with_its_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        ProgramMissing, match="tests on it are left out: run `make servers` as root, or install no-such"
    ):
        ensure(ABSENT)


@pytest.mark.parametrize(("environ", "so"), [({}, False), ({"CI": ""}, False), ({"CI": "true"}, True)])
def test_under_ci_no_test_is_left_out(environ: dict[str, str], so: bool):  # noqa: FBT001 - a parameter
    assert required(environ) is so


@pytest.mark.parametrize("kind", [BinariesMissing, ProgramMissing, maven.MavenFailed])
@pytest.mark.parametrize("ci", ["", "true"])
def test_a_missing_server_skips_a_test_and_under_ci_fails_it(
    monkeypatch: pytest.MonkeyPatch, ci: str, kind: type[Exception]
):
    def start(_: ProcessGroup, __: Path) -> None:
        raise kind("there is none")

    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr("tests.servers.shared.wanted", set())
    with pytest.raises(kind if ci else pytest.skip.Exception, match="there is none"):
        Shared("absent", start).get()
