"""Builds the image by `make image`, behind whatever mirror or proxy pip knows of here."""

import hashlib
import os
import runpy
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.controlplane.binaries import only_one, say
from tests.image import base
from tests.image.podman import Podman, PodmanFailed, in_cache
from tests.servers import apt, patience
from tests.servers.programs import required

ROOT = Path(__file__).parents[2]
REPOSITORY, TAG = "localhost/keyferry", f"test-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
IMAGE = f"{REPOSITORY}:{TAG}"
SBOM = ROOT / "build" / "sbom.cdx.json"

BUILT_WITHIN = 900.0
UNUSED_FOR = "336h"  # after which layers that no image has are dropped
CA_IN_BUILD = "/etc/ssl/certs/ca-certificates.crt"
CANARY = "https://builder:canary-of-the-index@canary-of-the-index.invalid/simple"
"""Stands in both files that a build is given, where nothing reads it: tests look for it in the image."""


def ensure() -> Podman:
    """Whose storage has the image of what is checked out. Raises Missing or CommandFailed."""
    if os.geteuid() != 0:
        raise apt.Missing("run it as root: only root may give containers the user, limits and volumes of a pod")
    try:
        apt.require("podman", "runc")
        podman = in_cache()
        with only_one(podman.folder / ".lock", say):
            stands_on = base.ensure(podman)
    except patience.CommandFailed as failed:
        raise apt.Missing(f"podman or an image to stand on cannot be had: {failed}") from failed
    try_out(podman, stands_on)
    with only_one(podman.folder / ".lock", say), tempfile.TemporaryDirectory(prefix="keyferry-build-") as folder:
        _make_image(podman, stands_on, _secrets(Path(folder)))
        podman.ask("image", "prune", "--force", f"--filter=until={UNUSED_FOR}")
    return podman


def try_out(podman: Podman, image: str) -> None:
    """Run any container, with a limit. Raises Missing where that cannot be, as inside of most containers."""
    try:
        podman.ask("run", "--rm", "--pull=never", "--network=host", "--memory=64m", "--entrypoint=true", image)
    except PodmanFailed as failed:
        raise apt.Missing(f"this machine lets no container run: {failed}") from failed


def _make_image(podman: Podman, stands_on: str, secrets: Mapping[str, Path]) -> None:
    options = ["--network=host", *(f"--secret=id={name},src={path}" for name, path in secrets.items())]
    words = {
        "CONTAINERS": " ".join(podman.command),
        "BASE": stands_on,
        "IMAGE": IMAGE,
        "BUILD_OPTIONS": " ".join(options),
    }
    # Another make's flags are not this one's.
    environment = {name: value for name, value in podman.environment.items() if not name.startswith(("MAKE", "MFLAGS"))}
    patience.run(
        ["make", "-C", str(ROOT), "image", *(f"{name}={value}" for name, value in words.items())],
        f"building the operator's image on {stands_on}",
        within=BUILT_WITHIN,
        environment=environment,
    )


def machines_authorities() -> bytes:
    """The certificates that this machine trusts; empty where it keeps them otherwise than in a file."""
    file = pip_settings().get("cert") or ssl.get_default_verify_paths().cafile
    return Path(file).read_bytes() if file else b""


def pip_settings() -> Mapping[str, str]:
    """What pip knows of this machine's index, proxy and certificates, by pip's own names."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    known: Mapping[str, str] = runpy.run_path(str(ROOT / ".ci" / "uv.py"))["known"](listed.stdout)
    return known


def _secrets(folder: Path) -> dict[str, Path]:
    """The files that the Dockerfile's secrets are."""
    settings = dict(pip_settings())
    links = [each for each in settings.pop("find-links", "").split() if "://" in each]  # no folder of this machine
    if links:
        settings["find-links"] = " ".join(links)
    made = {"pip.conf": folder / "pip.conf"}
    if authorities := machines_authorities():
        settings["cert"] = CA_IN_BUILD
        made["ca"] = folder / "ca.crt"
        made["ca"].write_bytes(authorities + f"\n# {CANARY}\n".encode())
    lines = [f"{name} = {' '.join(text.split())}" for name, text in settings.items()]
    made["pip.conf"].touch(mode=0o600)
    made["pip.conf"].write_text("\n".join(["[global]", *lines, "[canary]", f"index-url = {CANARY}", ""]))
    return made


def main() -> int:
    """The exit code: where there can be no container, the suite is left out, but for continuous integration."""
    try:
        ensure()
    except (apt.Missing, patience.CommandFailed) as failed:
        missing = isinstance(failed, apt.Missing)
        say(
            f"tests/image, which builds and runs the operator's image, is left out: {failed}"
            if missing
            else str(failed)
        )
        return 0 if missing and not required() else 1
    return 0
