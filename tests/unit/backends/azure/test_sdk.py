"""Azure's SDK: imported on first use, named when it is absent."""

import subprocess
import sys
from pathlib import Path

import pytest

from keyferry.api.providers.azure import Azure
from keyferry.backends import azure
from keyferry.backends.azure import create
from keyferry.errors import SpecInvalid
from tests.contract.context import context

HEAVY = ("azure", "msal", "cryptography", "aiohttp")


@pytest.fixture
def without_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that Azure's SDK is not installed in."""
    for name in ("sdk", "logins", "connection"):
        monkeypatch.delitem(sys.modules, f"keyferry.backends.azure.{name}", raising=False)
        monkeypatch.delattr(azure, name, raising=False)
    for name in {"azure", "msal", *(name for name in sys.modules if name.partition(".")[0] in {"azure", "msal"})}:
        monkeypatch.setitem(sys.modules, name, None)


def test_importing_the_backend_imports_no_sdk():
    lines = "import sys, keyferry.backends.azure", f"print([n for n in {HEAVY!r} if n in sys.modules])"
    path = str(Path(__file__).parents[4] / "operator")
    got = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert got.stdout.strip() == "[]"


async def test_without_the_sdk_the_extra_is_named(without_sdk: None):
    with pytest.raises(SpecInvalid, match=r"install keyferry\[azure\]"):
        await create(Azure(vault="acme"), context()).check()
