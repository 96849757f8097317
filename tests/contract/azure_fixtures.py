"""What tests of the Azure backend ask for: a stand-in, and a process that nobody gave Azure credentials."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standins.azure import AzureStandIn

_OF_AZURE = ("AZURE_", "IDENTITY_", "MSI_", "IMDS_")


@pytest.fixture
def poor_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A process without Azure credentials or proxies."""
    for name in list(os.environ):
        if name.startswith(_OF_AZURE) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


@pytest.fixture
def azure(poor_environment: pytest.MonkeyPatch) -> Iterator[AzureStandIn]:
    with AzureStandIn() as standin:
        yield standin
