"""What the image stands on in tests: the one that the Dockerfile names, or where no registry answers, Debian's own."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.controlplane.binaries import say
from tests.image.podman import Podman
from tests.servers import apt, patience

DOCKERFILE = Path(__file__).parents[2] / "Dockerfile"
PULLED_WITHIN = 120.0
MADE_WITHIN = 900.0

MEMORY, ROOM = Path("/dev/shm"), 2 << 30  # noqa: S108
SUITE = "bookworm"
PACKAGES = ("python3", "python3-venv", "ca-certificates")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")  # by which debootstrap verifies what it gets
NOT_NEEDED = ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")


def default() -> str:
    """The Dockerfile's own base, by digest."""
    found = re.search(r"^ARG BASE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert found, "the Dockerfile names no base"
    return found[1]


def ensure(podman: Podman) -> str:
    """The name of a base that is there. Raises CommandFailed or Missing where none can be had."""
    if chosen := os.environ.get("KEYFERRY_IMAGE_BASE"):
        return chosen if podman.has(chosen) else _pull(podman, chosen)
    pinned = default()
    recipe = hashlib.sha256(repr((SUITE, PACKAGES, NOT_NEEDED)).encode()).hexdigest()[:12]
    made = f"localhost/keyferry-base:{recipe}"
    for name in (pinned, made):
        if podman.has(name):
            return name
    try:
        return _pull(podman, pinned)
    except patience.CommandFailed:
        say("  no registry answers: a base is made of Debian's packages instead")
    return _make(podman, made)


def _pull(podman: Podman, name: str) -> str:
    command = [*podman.command, "pull", name]
    patience.run(command, f"pulling {name}", within=PULLED_WITHIN, environment=podman.environment)
    return name


def _make(podman: Podman, name: str) -> str:
    apt.require("debootstrap")
    if not KEYRING.exists():
        apt.install("debian-archive-keyring")
    folder = Path(tempfile.mkdtemp(prefix="keyferry-base-", dir=_roomy() or podman.folder))
    try:
        folder.chmod(0o755)  # it becomes the image's root
        command = [
            "debootstrap",
            "--variant=minbase",
            "--force-check-gpg",
            f"--include={','.join(PACKAGES)}",
            SUITE,
            str(folder),
        ]
        patience.run([*command, *apt.mirrors(SUITE)], f"debootstrap {SUITE}", within=MADE_WITHIN)
        _import(podman, folder, name)
    finally:
        # One that was interrupted may have left /proc mounted in it.
        subprocess.run(["rm", "--recursive", "--force", "--one-file-system", str(folder)], check=False)  # noqa: S607
    return name


def _roomy() -> Path | None:
    """Memory as a folder, where there is enough and programs may run in it: dpkg's many syncs cost nothing there."""
    try:
        found = os.statvfs(MEMORY)
    except FileNotFoundError:
        return None
    refused = found.f_flag & (os.ST_NOEXEC | os.ST_NODEV | os.ST_RDONLY)
    return MEMORY if not refused and found.f_bavail * found.f_frsize > ROOM else None


def _import(podman: Podman, folder: Path, name: str) -> None:
    """The folder as an image of one layer."""
    for each in NOT_NEEDED:
        shutil.rmtree(folder / each)
        (folder / each).mkdir()
    with tempfile.NamedTemporaryFile(dir=podman.folder, suffix=".tar") as packed:
        subprocess.run(["tar", "--one-file-system", "-C", str(folder), "-cf", packed.name, "."], check=True)  # noqa: S607
        podman.ask("import", packed.name, name, within=MADE_WITHIN)
