"""Commands that take their time, and say so."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.controlplane import binaries

REPORT_EVERY = 15.0


class CommandFailed(Exception):
    """It ended with an error, or not in time; the text ends with its last words."""


def run(
    command: Sequence[str | Path],
    what: str,
    *,
    within: float,
    environment: Mapping[str, str] = os.environ,
    say: Callable[[str], None] = binaries.say,
) -> None:
    """Run it to its end, within some seconds; a line now and then shows that it lives. Raises CommandFailed."""
    say(what)
    started = time.monotonic()
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        ) as running,
    ):
        try:
            _watch(running, what, started + within, say)
        except BaseException:
            running.terminate()
            raise
        output.seek(0)
        tail = "".join(output.readlines()[-20:])
    if running.returncode != 0:
        raise CommandFailed(f"{what}: ended with {running.returncode}. Its last words were:\n{tail}")
    say(f"  done in {time.monotonic() - started:.0f} s")


def _watch(running: subprocess.Popen[bytes], what: str, until: float, say: Callable[[str], None]) -> None:
    started = time.monotonic()
    while time.monotonic() < until:
        try:
            running.wait(min(REPORT_EVERY, max(0.1, until - time.monotonic())))
        except subprocess.TimeoutExpired:
            say(f"  {time.monotonic() - started:.0f} s so far")
        else:
            return
    raise CommandFailed(f"{what}: not done in time, and stopped")
