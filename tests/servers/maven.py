"""Jars of Maven's central repository, got once and kept in the project's cache."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.controlplane import binaries

_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
_LIMIT = 600.0  # seconds
_REPORT_EVERY = 15.0


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
        say(f"getting {what}")
        goal = f"{_PLUGIN}:copy"
        _run(["mvn", "-q", "-B", goal, f"-Dartifact={what}", f"-DoutputDirectory={made}"], what, say)
        (Path(made) / path.name).replace(path)
    return path


def _place(artifact: str, version: str, environ: Mapping[str, str]) -> Path:
    return binaries.cache_folder(environ).parent / "jars" / f"{artifact}-{version}.jar"


def _run(command: list[str], what: str, say: Callable[[str], None]) -> None:
    started = time.monotonic()
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT) as running,
    ):
        while running.poll() is None:
            try:
                running.wait(_REPORT_EVERY)
            except subprocess.TimeoutExpired:
                say(f"  getting {what}: {time.monotonic() - started:.0f} s so far")
                if time.monotonic() - started > _LIMIT:
                    running.terminate()
        output.seek(0)
        tail = "".join(output.readlines()[-20:])
    if running.returncode != 0:
        raise MavenFailed(f"Maven did not get {what}. It needs a reachable repository. Its last words were:\n{tail}")
