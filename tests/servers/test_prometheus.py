"""Where Prometheus is looked for, and what is said where there is none."""

import pytest

from tests.controlplane.binaries import BinariesMissing
from tests.servers import __main__ as servers
from tests.servers import prometheus


def put(folder, *names):
    """Programs that can be run; they do nothing."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return str(folder)


@pytest.fixture
def machine(tmp_path):
    """The environment of a machine that has nothing."""
    return {"PATH": put(tmp_path / "bin"), "KEYFERRY_CACHE": str(tmp_path / "cache")}


def test_what_is_on_the_path_is_used(machine, tmp_path):
    put(tmp_path / "bin", "prometheus", "promtool")
    assert prometheus.ensure(machine).promtool == tmp_path / "bin" / "promtool"


def test_what_was_got_before_is_used(machine, tmp_path):
    put(tmp_path / "cache")
    put(tmp_path / "cache" / "prometheus", "prometheus", "promtool")
    assert prometheus.ensure(machine).prometheus == tmp_path / "cache" / "prometheus" / "prometheus"


def test_where_there_is_neither_it_nor_apt_the_way_to_it_is_told(machine):
    with pytest.raises(BinariesMissing, match=r"`make servers`.* apt-get .* on the PATH"):
        prometheus.ensure(machine)


def test_a_download_that_fails_says_why_and_leaves_nothing(machine, tmp_path):
    put(tmp_path / "bin", "apt-get", "dpkg-deb")
    (tmp_path / "bin" / "apt-get").write_text("#!/bin/sh\necho Unable to locate package >&2\nexit 100\n")
    with pytest.raises(BinariesMissing, match="Unable to locate package"):
        prometheus.ensure(machine)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)], ids=["in continuous integration", "elsewhere"])
def test_to_have_none_fails_in_continuous_integration_only(monkeypatch, machine, ci, code):
    for name, value in {**machine, "CI": ci}.items():
        monkeypatch.setenv(name, value)
    assert servers.others(["Prometheus"]) == code
