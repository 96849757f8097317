import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.controlplane.processes import ProcessGroup

OWNER = """
import os, sys, time
from pathlib import Path
from tests.controlplane.processes import ProcessGroup
folder = Path(sys.argv[1])
member = ProcessGroup(folder).start("sleeper", ["sleep", "600"], log=folder / "log").pid
forked = os.fork()
if forked == 0:
    time.sleep(600)  # inherits the pipe to the guard, and so holds it open after its parent's end
print(member, forked, flush=True)
sys.stdin.readline()
"""


def running(pid: int) -> bool:
    """A zombie has ended, even where nobody reaps it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(true):
    """What another process does takes its time; the limit is for when it never does."""
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("how", ["returns", "SIGTERM", "SIGKILL"])
def test_nothing_outlives_the_owner_however_it_ends(tmp_path, how):
    folder = tmp_path / "group"
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", OWNER, str(folder)], stdin=PIPE, stdout=PIPE, text=True) as owner:
        assert owner.stdin is not None
        assert owner.stdout is not None
        member, forked = map(int, owner.stdout.readline().split())
        assert running(member)
        owner.stdin.close() if how == "returns" else owner.send_signal(signal.Signals[how])
        owner.wait(20)

    try:
        eventually(lambda: not running(member) and not folder.exists())
    finally:
        os.kill(forked, signal.SIGKILL)


def test_a_member_that_does_not_heed_sigterm_is_killed_after_its_grace_time(tmp_path):
    with ProcessGroup() as group:
        deafness = "trap '' TERM; echo deaf; while true; do sleep 0.1; done"
        deaf = group.start("deaf", ["sh", "-c", deafness], log=tmp_path / "log")
        eventually(lambda: "deaf" in deaf.tail())

        assert deaf.end(grace=0.3) == -signal.SIGKILL


def test_what_a_member_left_behind_ends_with_the_group(tmp_path):
    with ProcessGroup() as group:
        parent = group.start("parent", ["sh", "-c", "sleep 600 & echo $!"], log=tmp_path / "log")
        parent.popen.wait(20)
        orphan = int((tmp_path / "log").read_text())
        assert running(orphan)

    assert not running(orphan)


def test_a_member_gets_the_given_environment_only(tmp_path, monkeypatch):
    monkeypatch.setenv("FOREIGN", "1")
    with ProcessGroup() as group:
        group.start("env", ["env"], log=tmp_path / "log", environment={"PATH": os.defpath}).popen.wait(20)

    assert (tmp_path / "log").read_text() == f"PATH={os.defpath}\n"
