"""What tests of the Azure backend ask for: a stand-in, and a process that nobody gave Azure credentials."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standins.azure import AzureStandIn

_OF_AZURE = ("AZURE_", "IDENTITY_", "MSI_", "IMDS_")


def bare(environment: pytest.MonkeyPatch, home: Path) -> None:
    """Take Azure credentials and proxies away."""
    for name in list(os.environ):
        if name.startswith(_OF_AZURE) or name.lower().endswith("_proxy"):
            environment.delenv(name)
    environment.setenv("HOME", str(home))


@pytest.fixture
def poor_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A process without Azure credentials or proxies."""
    bare(monkeypatch, tmp_path)
    return monkeypatch


@pytest.fixture
def azure(poor_environment: pytest.MonkeyPatch) -> Iterator[AzureStandIn]:
    with AzureStandIn() as standin:
        yield standin
