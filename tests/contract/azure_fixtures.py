"""What tests of the Azure backend ask for: a stand-in, and a process that nobody gave Azure credentials."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract import bare
from tests.standins.azure import AzureStandIn


@pytest.fixture
def poor_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A process without Azure credentials or proxies."""
    bare.of_azure(monkeypatch, tmp_path)
    return monkeypatch


@pytest.fixture
def azure(poor_environment: pytest.MonkeyPatch) -> Iterator[AzureStandIn]:
    with AzureStandIn() as standin:
        yield standin
