"""Ends a process group, and removes its folder, as soon as the owner is gone: `guard.py OWNER [FOLDER]`.

Run as a script by processes.py. It leads the group that all of the owner's children join, and its standard input is a
pipe that only the owner holds open: the pipe ends when the owner does, be it by a return, an exception or a SIGKILL.
A parent-death signal (PR_SET_PDEATHSIG) would do less: it is sent when the starting *thread* ends, exists on Linux
only, and removes no folder.
"""

import contextlib
import os
import select
import shutil
import signal
import sys
import time


def main() -> None:
    """Wait for the owner to go, then clean up after it."""
    for polite in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(polite, signal.SIG_IGN)  # what stops the group's members must not stop their guard first
    owner = int(sys.argv[1])  # told, not asked for: the owner may be gone before this line runs
    # A process that the owner forked may hold the pipe open after the owner's end: the parent's id tells as well.
    while os.getppid() == owner and not select.select([0], [], [], 1.0)[0]:
        pass
    group = os.getpgrp()
    if os.fork() == 0:
        os.setsid()  # outside the group, so that the folder is removed after the group has ended
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        _remove(sys.argv[2:])
        os._exit(0)
    time.sleep(60)  # ends with the group


def _remove(folders: list[str]) -> None:
    """A process that is being killed may still write a file, so try until the folder is gone."""
    for folder in folders:
        for _ in range(100):
            shutil.rmtree(folder, ignore_errors=True)
            if not os.path.lexists(folder):
                break
            time.sleep(0.05)


if __name__ == "__main__":
    main()
