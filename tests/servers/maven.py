"""Jars of Maven's central repository, got once and kept in the project's cache."""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.controlplane import binaries
from tests.servers import patience

_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
_LIMIT = 600.0  # seconds


class MavenFailed(Exception):
    """A jar could not be got; the text says what would help."""


def find(group: str, artifact: str, version: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The jar where it is in the cache already."""
    path = _place(artifact, version, environ)
    return path if path.is_file() else None


def jar(
    group: str,
    artifact: str,
    version: str,
    environ: Mapping[str, str] = os.environ,
    say: Callable[[str], None] = binaries.say,
) -> Path:
    """The jar, got first where it is missing. Raises MavenFailed."""
    path = _place(artifact, version, environ)
    if path.is_file():
        return path
    if shutil.which("mvn") is None:
        raise MavenFailed(
            f"{artifact} {version} is got by Maven, and there is no `mvn` on the PATH. Install it (Debian: maven), "
            f"or put {group}:{artifact}:{version} there yourself: {path}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".new-") as made:
        what = f"{group}:{artifact}:{version}"
        command = ["mvn", "-q", "-B", f"{_PLUGIN}:copy", f"-Dartifact={what}", f"-DoutputDirectory={made}"]
        try:
            patience.run(command, f"getting {what}", within=_LIMIT, say=say)
        except patience.CommandFailed as failed:
            raise MavenFailed(f"Maven needs a reachable repository. {failed}") from failed
        (Path(made) / path.name).replace(path)
    return path


def _place(artifact: str, version: str, environ: Mapping[str, str]) -> Path:
    return binaries.cache_folder(environ).parent / "jars" / f"{artifact}-{version}.jar"
