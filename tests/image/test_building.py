"""What a build is given of this machine, and what happens where there can be none."""

import configparser
import os
from pathlib import Path

import pytest

from tests.image import base, building
from tests.image.podman import Podman, PodmanFailed
from tests.servers import apt

PIP = {
    "index-url": "https://mirror.invalid/simple",
    "trusted-host": "one.invalid\ntwo.invalid",
    "find-links": "/a/folder https://links.invalid/",
}


def test_the_default_base_is_pinned_by_digest():
    name, _, digest = base.default().partition("@sha256:")
    assert name.startswith("docker.io/library/python:3.11")
    assert len(digest) == 64


def test_pips_settings_reach_the_build_but_for_what_is_a_folder_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    authorities = tmp_path / "ca.pem"
    authorities.write_text("certificates")
    monkeypatch.setattr(building, "pip_settings", lambda: {**PIP, "cert": str(authorities)})

    made = building._secrets(tmp_path)

    written = configparser.RawConfigParser()
    written.read(made["pip.conf"])
    assert dict(written["global"]) == {
        "index-url": "https://mirror.invalid/simple",
        "trusted-host": "one.invalid two.invalid",
        "find-links": "https://links.invalid/",
        "cert": building.CA_IN_BUILD,
    }
    assert made["pip.conf"].stat().st_mode & 0o077 == 0
    assert made["ca"].read_text().startswith("certificates")


def test_a_machine_that_lets_no_container_run_is_told_of(tmp_path: Path):
    class Powerless(Podman):
        def ask(self, *_: str, within: float = 0.0) -> str:  # noqa: ARG002
            raise PodmanFailed("mounting is not permitted")

    with pytest.raises(apt.Missing, match=r"lets no container run: mounting is not permitted"):
        building.try_out(Powerless(tmp_path), "base")


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)], ids=["by hand", "in CI"])
def test_where_there_can_be_no_container_the_suite_is_left_out_but_in_ci(ci, code, monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("CI", ci)

    assert building.main() == code

    told = capsys.readouterr().err
    assert "tests/image, which builds and runs the operator's image, is left out" in told
    assert "root" in told
