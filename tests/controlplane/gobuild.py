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
BUILD_LIMIT = 3600.0  # a slow machine may need half an hour for Kubernetes; beyond this something hangs


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
    what = f"{', '.join(source.programs)} {source.version}"
    # Of several packages each names its program; a single one might name it otherwise, as etcd's does (`server`).
    result = into / source.programs[0] if len(source.programs) == 1 else f"{into}{os.sep}"
    # All in one command, so that one program is linked, which takes one processor, while another is compiled.
    command = [
        *(go, "build", "-C", str(source.folder), "-mod=readonly", "-trimpath", "-ldflags", source.ldflags),
        *("-o", str(result), *source.packages),
    ]
    say(f"building {what}")
    started = time.monotonic()
    output = _run(command, what, say)
    say(f"built {what} in {time.monotonic() - started:.0f} s")
    if missing := [program for program in source.programs if not (into / program).exists()]:
        raise BuildFailed(f"`go build` of {what} made no {', '.join(missing)}:\n{output}")


def _run(command: list[str], what: str, say: Callable[[str], None]) -> str:
    """Run the build; the answer is the end of what it printed."""
    # Without cgo no C compiler is needed, and the result runs on any libc.
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        ) as running,
    ):
        try:
            _watch(running, what, say)
        except BaseException:
            running.terminate()
            raise
        output.seek(0)
        tail = "".join(output.readlines()[-20:])
    if running.returncode != 0:
        raise BuildFailed(
            f"`go build` of {what} failed. It needs Go 1.26 or newer and a reachable Go module proxy (GOPROXY). "
            f"Its last words were:\n{tail}"
        )
    return tail


def _watch(running: subprocess.Popen[bytes], what: str, say: Callable[[str], None]) -> None:
    """Wait for the build's end; a line now and then shows that it lives."""
    started = time.monotonic()
    while time.monotonic() - started < BUILD_LIMIT:
        try:
            running.wait(REPORT_EVERY)
        except subprocess.TimeoutExpired:
            say(f"  building {what}: {time.monotonic() - started:.0f} s so far")
        else:
            return
    raise BuildFailed(f"`go build` of {what} was still running after {BUILD_LIMIT:.0f} s and was stopped.")
