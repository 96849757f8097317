"""What tests over the Google stand-in share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract import bare
from tests.standins.gcp import GcpStandIn


@pytest.fixture
def no_google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A process that nobody gave Google credentials, by variable, file or metadata server."""
    bare.of_google(monkeypatch, tmp_path)
    return monkeypatch


@pytest.fixture
def gcp(no_google: pytest.MonkeyPatch) -> Iterator[GcpStandIn]:
    with GcpStandIn() as standin:
        yield standin
