"""What an operator holds before it has a store: of all the SDKs that may be installed, none."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def sdks():
    """What only a backend may import, as import-linter is told."""
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = [each for each in configured if each["name"] == "SDKs stay in their backend"]
    return set(contract["forbidden_modules"])


def test_the_operator_and_its_commands_load_no_sdk():
    script = "import sys, keyferry.app, keyferry.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert sorted(sdks() & set(done.stdout.split())) == []
    assert "kubernetes" in done.stdout.split()
