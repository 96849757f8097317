"""Where the version before comes from, and what is said where it cannot be had."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e.version import PREVIOUS, ROOT, GitFailed, Shallow, previous


def clone(folder: Path, *options: str) -> Path:
    subprocess.run(["git", "clone", "--quiet", *options, f"file://{ROOT}", str(folder)], check=True, timeout=60)  # noqa: S607 - the user's
    return folder


def test_a_shallow_clone_is_told_how_to_get_the_previous_version(tmp_path: Path):
    with pytest.raises(Shallow, match="git fetch --unshallow"):
        previous(tmp_path / "previous", clone(tmp_path / "clone", "--depth=1"))


def test_a_whole_clone_without_the_previous_version_is_a_failure(tmp_path: Path):
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True, timeout=60)  # noqa: S607 - the user's
    with pytest.raises(GitFailed, match="git archive ended with 128"):
        previous(tmp_path / "previous", tmp_path)


def test_the_previous_version_is_named_in_full():
    assert len(PREVIOUS) == 40
