"""Debian's package manager, where there is one and who runs this may use it."""

import os
import shutil
import subprocess
from collections.abc import Callable

from tests.controlplane import binaries
from tests.servers import patience

INSTALLED_WITHIN = 600.0


class Missing(Exception):
    """A program is not there and cannot be installed; the text says how to get it."""


def require(*programs: str) -> None:
    """Have programs, each of the package of its name, installed where they are missing."""
    missing = [each for each in programs if shutil.which(each) is None]
    if missing:
        install(*missing)


def install(*packages: str, say: Callable[[str], None] = binaries.say) -> None:
    """Install packages. Raises Missing where that is impossible, CommandFailed where it did not work."""
    names = " ".join(packages)
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if shutil.which("apt-get") is None or (root and shutil.which("sudo") is None):
        raise Missing(f"install {names} (it is done by itself only for root, or by sudo, and with apt-get)")

    def apt_get(*words: str) -> None:
        quiet = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *words]
        patience.run(quiet, f"apt-get {words[0]} {names}", within=INSTALLED_WITHIN, say=say)

    wanted = ("install", "--yes", "--no-install-recommends", *packages)
    try:
        apt_get(*wanted)
    except patience.CommandFailed:  # its lists are empty, or old
        apt_get("update")
        apt_get(*wanted)


def mirrors(suite: str) -> list[str]:
    """Where this machine gets a suite of Debian from; none where it uses another one."""
    if shutil.which("apt-get") is None:
        return []
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Codename: {suite}"]
    listed = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    return listed.splitlines()[:1]
