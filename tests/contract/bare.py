"""A process that nobody gave a cloud's credentials, by variable, file or metadata server."""

import os
from pathlib import Path

import pytest
from google.auth.compute_engine import _metadata

_OF_AZURE = ("AZURE_", "IDENTITY_", "MSI_", "IMDS_")
_OF_GOOGLE = ("GOOGLE_", "GCE_", "CLOUDSDK_")


def of_aws(environment: pytest.MonkeyPatch, home: Path) -> None:
    """Take AWS's credentials away."""
    _bare(environment, home, "AWS_")
    environment.setenv("AWS_EC2_METADATA_DISABLED", "true")


def of_azure(environment: pytest.MonkeyPatch, home: Path) -> None:
    """Take Azure's credentials away, and proxies."""
    _bare(environment, home, *_OF_AZURE)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        environment.delenv(name)


def of_google(environment: pytest.MonkeyPatch, home: Path) -> None:
    """Take Google's credentials away."""
    _bare(environment, home, *_OF_GOOGLE)
    environment.setattr(_metadata, "_NO_GCE_CHECK", True)


def _bare(environment: pytest.MonkeyPatch, home: Path, *prefixes: str) -> None:
    for name in [name for name in os.environ if name.startswith(prefixes)]:
        environment.delenv(name)
    environment.setenv("HOME", str(home))
