"""Commands that take their time, and say so."""

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence

from tests.controlplane.binaries import say

REPORT_EVERY = 15.0


class CommandFailed(Exception):
    """It ended with an error, or not in time; the text ends with its last words."""


def run(command: Sequence[str], what: str, *, within: float, environment: Mapping[str, str] = os.environ) -> None:
    """Run it, with a line now and then that shows that it lives."""
    say(what)
    started = time.monotonic()
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        ) as running,
    ):
        try:
            _watch(running, what, started + within)
        except BaseException:
            running.terminate()
            raise
        output.seek(0)
        tail = "".join(output.readlines()[-20:])
    if running.returncode != 0:
        raise CommandFailed(f"{what}: ended with {running.returncode}. Its last words were:\n{tail}")
    say(f"  done in {time.monotonic() - started:.0f} s")


def _watch(running: subprocess.Popen[str] | subprocess.Popen[bytes], what: str, until: float) -> None:
    started = time.monotonic()
    while time.monotonic() < until:
        try:
            running.wait(min(REPORT_EVERY, max(0.1, until - time.monotonic())))
        except subprocess.TimeoutExpired:
            say(f"  {time.monotonic() - started:.0f} s so far")
        else:
            return
    raise CommandFailed(f"{what}: not done in time, and stopped")
