"""Aspects: certificates that are none; where the operator's own are; a file that is on no disk."""

from pathlib import Path

import pytest

from keyferry.backends.sql import trust
from keyferry.errors import BackendUnavailable, CredentialsMissing


def test_what_is_no_certificate_is_told():
    with pytest.raises(CredentialsMissing, match="no certificates in PEM"):
        trust.context_of(b"no certificate", "Secret payments/db:")


def test_the_operators_own_are_those_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "ca.pem").write_bytes(b"some PEM")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert trust.operators_own() == b"some PEM"


def test_without_a_file_they_are_those_of_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("0a1b.0", "0a1b.1", "README"):
        (tmp_path / name).write_text(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert trust.operators_own() == b"0a1b.0\n0a1b.1"


def test_where_there_are_none_it_says_what_to_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    with pytest.raises(BackendUnavailable, match="caProvider"):
        trust.operators_own()


def test_a_file_can_be_read_by_its_path_and_is_gone_after():
    with trust.as_file(b"PEM") as path:
        assert Path(path).read_bytes() == b"PEM"
    assert not Path(path).exists()
