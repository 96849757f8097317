"""Builds the control plane's programs from their pinned Go modules."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.controlplane.pins import Source

REPORT_EVERY = 15.0
BUILD_LIMIT = 3600.0  # a slow machine may need half an hour for kube-apiserver; beyond this something hangs


class BuildFailed(Exception):
    """The programs could not be built; the text says what would help."""


def build(source: Source, into: Path, say: Callable[[str], None]) -> None:
    """Put every program of the source into the folder, telling how it goes."""
    go = shutil.which("go")
    if go is None:
        raise BuildFailed(
            f"{source.name} must be built, and there is no `go` on the PATH. Install Go 1.26 or newer "
            "(https://go.dev/dl), or set KUBEBUILDER_ASSETS to a folder that holds the programs."
        )
    for program, package in zip(source.programs, source.packages, strict=True):
        command = [
            *(go, "build", "-C", str(source.folder), "-mod=readonly", "-trimpath"),
            *("-ldflags", source.ldflags, "-o", str(into / program), package),
        ]
        _run(command, f"{program} {source.version}", say)


def _run(command: list[str], what: str, say: Callable[[str], None]) -> None:
    """Run one build; a line now and then shows that it lives."""
    started = time.monotonic()
    say(f"building {what}")
    with tempfile.TemporaryFile("w+") as output:
        # Without cgo no C compiler is needed, and the result runs on any libc.
        environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        ) as running:
            try:
                _watch(running, started, what, say)
            except BaseException:
                running.terminate()
                raise
        elapsed = time.monotonic() - started
        output.seek(0)
        tail = "".join(output.readlines()[-20:])
    if running.returncode != 0:
        raise BuildFailed(
            f"`go build` of {what} failed after {elapsed:.0f} s. It needs Go 1.26 or newer and a reachable Go module "
            f"proxy (GOPROXY); its last words were:\n{tail}"
        )
    say(f"built {what} in {elapsed:.0f} s")


def _watch(running: subprocess.Popen[bytes], started: float, what: str, say: Callable[[str], None]) -> None:
    while time.monotonic() - started < BUILD_LIMIT:
        try:
            running.wait(REPORT_EVERY)
        except subprocess.TimeoutExpired:
            say(f"  building {what}: {time.monotonic() - started:.0f} s so far")
        else:
            return
    raise BuildFailed(f"`go build` of {what} was still running after {BUILD_LIMIT:.0f} s and was stopped.")
