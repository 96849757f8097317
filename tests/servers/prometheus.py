"""Prometheus and its promtool: from PATH, from the cache, or out of Debian's package, which need not be installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane.binaries import BinariesMissing, cache_folder, say

PACKAGE = "prometheus"
WITHIN = 300.0  # seconds, for a download
_HOW = (
    "There is no promtool and prometheus for the tests. Run `make servers` once where apt-get knows the package "
    "(it downloads that, installs nothing, and keeps the two), or put both of prometheus.io's release on the PATH."
)


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the two lie."""

    prometheus: Path
    promtool: Path


def find(environ: Mapping[str, str] = os.environ) -> Programs:
    """Those that are there already. Raises BinariesMissing, which says how to get them."""
    path = os.pathsep.join([environ.get("PATH", os.defpath), str(_folder(environ))])
    found = [shutil.which(name, path=path) for name in ("prometheus", "promtool")]
    if None in found:
        raise BinariesMissing(_HOW)
    return Programs(*(Path(each) for each in found if each))


def ensure(environ: Mapping[str, str] = os.environ) -> Programs:
    """Those, got first where they are missing. Raises BinariesMissing where they cannot be got here."""
    try:
        return find(environ)
    except BinariesMissing:
        if not all(shutil.which(tool, path=environ.get("PATH", os.defpath)) for tool in ("apt-get", "dpkg-deb")):
            raise
    folder = _folder(environ)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as made:
        _unpacked(Path(made), environ)
        folder.mkdir(exist_ok=True)
        for name in ("prometheus", "promtool"):  # whole or not at all: another process may do the same
            (Path(made) / "usr" / "bin" / name).replace(folder / name)
    return find(environ)


def _unpacked(folder: Path, environ: Mapping[str, str]) -> None:
    """The package's files below the folder. apt checks its signature; nothing is installed."""
    say(f"downloading Debian's package {PACKAGE}")
    # Debian's own sandbox user may not write here.
    _run(["apt-get", "download", "--option", "APT::Sandbox::User=root", PACKAGE], folder, environ)
    (package,) = folder.glob("*.deb")
    _run(["dpkg-deb", "--extract", str(package), str(folder)], folder, environ)


def _run(command: list[str], folder: Path, environ: Mapping[str, str]) -> None:
    done = subprocess.run(
        command, cwd=folder, env=dict(environ), capture_output=True, text=True, check=False, timeout=WITHIN
    )
    if done.returncode:
        raise BinariesMissing(f"{' '.join(command)} failed: {done.stderr.strip()}\n{_HOW}")


def _folder(environ: Mapping[str, str]) -> Path:
    return cache_folder(environ).parent / "prometheus"
