"""podman with a storage of the project's own."""

import hashlib
import os
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane import binaries

ANSWERS_WITHIN = 60.0
PROCESSES = 4096  # podman's own default is more than every machine allows its root


class PodmanFailed(Exception):
    """A command of podman's ended with an error; the text is what it printed."""


@dataclass(frozen=True, slots=True)
class Podman:
    """Everything stays in one folder, but for what must not survive a reboot."""

    folder: Path

    @property
    def command(self) -> list[str]:
        """How it is called; what it is to do is added."""
        mark = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        running = Path("/run") / f"keyferry-image-{mark}"
        places = {"root": self.folder / "storage", "runroot": running / "storage", "tmpdir": running / "podman"}
        return ["podman", *(word for name, place in places.items() for word in (f"--{name}", str(place)))]

    @property
    def environment(self) -> dict[str, str]:
        """What it must be called with."""
        return {**os.environ, "CONTAINERS_CONF": str(self.folder / "containers.conf")}

    def prepare(self) -> None:
        """Write its configuration."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "containers.conf").write_text(_configuration())

    def ask(self, *arguments: str, within: float = ANSWERS_WITHIN) -> str:
        """Run a command; the answer is what it prints. Raises PodmanFailed."""
        done = subprocess.run(
            [*self.command, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=within,
        )
        if done.returncode != 0:
            raise PodmanFailed(f"podman {' '.join(arguments)} ended with {done.returncode}: {done.stderr}{done.stdout}")
        return done.stdout

    def has(self, image: str) -> bool:
        """Whether the image is there already."""
        done = subprocess.run([*self.command, "image", "exists", image], env=self.environment, check=False)
        return done.returncode == 0


def in_cache() -> Podman:
    """The one whose storage is in the project's cache, ready to be called."""
    made = Podman(binaries.cache() / "image")
    made.prepare()
    return made


def _configuration() -> str:
    """Limits that this machine allows; cgroups without systemd; runc, for crun refuses those of two versions."""
    files, processes = resource.getrlimit(resource.RLIMIT_NOFILE)[1], PROCESSES
    runtime = 'runtime = "runc"' if shutil.which("runc") else ""
    return f"""[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
cgroup_manager = "cgroupfs"
{runtime}
"""
