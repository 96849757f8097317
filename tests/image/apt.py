"""Debian's package manager, where there is one and who runs this may use it."""

import os
import shutil
import subprocess

from tests.image import patience

INSTALLED_WITHIN = 600.0


class Missing(Exception):
    """A program is not there and cannot be installed; the text says how to get it."""


def require(*programs: str) -> None:
    """Have programs, each of the package of its name, installed where they are missing."""
    missing = [each for each in programs if shutil.which(each) is None]
    if missing:
        install(*missing)


def install(*packages: str) -> None:
    """Install packages. Raises Missing where that is impossible, CommandFailed where it did not work."""
    names = " ".join(packages)
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise Missing(f"install {names} (it is done by itself only for root, and with apt-get)")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}

    def apt_get(*words: str) -> None:
        what = f"apt-get {words[0]} {names}"
        patience.run(["apt-get", *words], what, within=INSTALLED_WITHIN, environment=quiet)

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
