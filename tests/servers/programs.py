"""Programs of servers that a distribution has in packages: found, or got from Debian's where that may be done."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane import binaries
from tests.servers import apt, patience

_FOLDERS = ("/usr/sbin", "/usr/local/sbin")  # not on everybody's PATH


class ProgramMissing(Exception):
    """A server's program is not there; the text says which tests that leaves out, and how to get it."""


@dataclass(frozen=True, slots=True)
class Packaged:
    """A server of a package."""

    name: str
    programs: tuple[str, ...]
    packages: tuple[str, ...]
    folders: str = ""  # where its programs are besides, as a pattern; the last one counts

    def find(self, program: str) -> Path | None:
        """One of its programs, where it is there."""
        more = sorted(map(str, Path("/").glob(self.folders))) if self.folders else []
        path = os.pathsep.join([*reversed(more), os.environ.get("PATH", ""), *_FOLDERS])
        found = shutil.which(program, path=path)
        return Path(found) if found else None

    def program(self, program: str) -> Path:
        """One of its programs. Raises ProgramMissing."""
        if (found := self.find(program)) is None:
            raise ProgramMissing(
                f"{self.name} is not installed, so tests on it are left out: run `make servers` as root, or install "
                f"{' '.join(self.packages)} (Debian)"
            )
        return found

    @property
    def there(self) -> bool:
        return all(self.find(program) for program in self.programs)


POSTGRESQL = Packaged("PostgreSQL", ("initdb", "postgres"), ("postgresql",), "usr/lib/postgresql/*/bin")
MARIADB = Packaged("MariaDB", ("mariadbd", "mariadb-install-db"), ("mariadb-server-core", "mariadb-client-core"))
JAVA = Packaged("Java", ("java",), ("default-jre-headless",))
PACKAGED = (POSTGRESQL, MARIADB, JAVA)


def got(each: Packaged) -> Path:
    """Where it is, installed first where it is missing. Raises ProgramMissing."""
    ensure(each)
    return each.program(each.programs[-1])


def ensure(each: Packaged, say: Callable[[str], None] = binaries.say) -> None:
    """Install what is missing. Raises ProgramMissing where that cannot be done here."""
    if each.there:
        return
    try:
        apt.install(*each.packages, say=say)
    except apt.Missing:
        each.program(each.programs[0])
    except patience.CommandFailed as failed:
        raise ProgramMissing(f"{each.name} could not be installed, so tests on it are left out. {failed}") from failed


def required(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether to leave tests out is a failure: where a machine decides, nobody reads what was left out."""
    return bool(environ.get("CI"))


class ProgramFailed(Exception):
    """A program that should have ended well did not; the text ends with its last words."""


def run_through(command: list[str], folder: Path) -> None:
    """Run a program to its end. Raises ProgramFailed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise ProgramFailed(f"{' '.join(command)} ended with code {done.returncode}. Its last words:\n{last}")


def unprivileged(command: list[str]) -> list[str]:
    """The command as somebody who is not root, whom some servers refuse."""
    if os.getuid() != 0:
        return command
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *command]


def hand_over(*paths: Path) -> None:
    """Give files and folders to whom `unprivileged` commands run as."""
    if os.getuid() == 0:
        for path in paths:
            shutil.chown(path, "nobody", "nogroup")
