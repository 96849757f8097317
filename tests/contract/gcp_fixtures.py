"""What tests over the Google stand-in share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.auth.compute_engine import _metadata

from tests.standins.gcp import GcpStandIn


def bare(environment: pytest.MonkeyPatch, home: Path) -> None:
    """Take Google's credentials away."""
    for name in [name for name in os.environ if name.startswith(("GOOGLE_", "GCE_", "CLOUDSDK_"))]:
        environment.delenv(name)
    environment.setenv("HOME", str(home))
    environment.setattr(_metadata, "_NO_GCE_CHECK", True)


@pytest.fixture
def no_google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A process that nobody gave Google credentials, by variable, file or metadata server."""
    bare(monkeypatch, tmp_path)
    return monkeypatch


@pytest.fixture
def gcp(no_google: pytest.MonkeyPatch) -> Iterator[GcpStandIn]:
    with GcpStandIn() as standin:
        yield standin
