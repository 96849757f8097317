"""A node of Elasticsearch, made of its published jars: fetched by Maven once, checked, and kept in the project's cache.

Elasticsearch's licence lets anybody use them. They are for tests alone: neither in this repository nor in anything that
the project ships.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.controlplane import binaries
from tests.servers import elasticsearch_home

HERE = Path(__file__).parent / "elasticsearch"
SUMS = HERE / "jars.sha256"
LEFT_OUT = (
    "the contract suite over elasticsearch, tests/contract/test_elasticsearch_*, tests/cluster/test_elasticsearch.py"
)
_LIMIT = 900.0  # seconds, of one command
_REPORT_EVERY = 15.0
_FETCH = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
_DEBIAN = ("maven", "openjdk-17-jdk-headless")


class NotToBeHad(Exception):
    """The node cannot be made here; the text says what lacks."""


def find(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of the node; nothing is fetched. Raises BinariesMissing."""
    home = _home(environ)
    if not home.is_dir():
        raise binaries.BinariesMissing(
            "There is no Elasticsearch for the tests. Run `make servers` once (Maven fetches it, and it is kept)."
        )
    return home


def ensure(environ: Mapping[str, str] = os.environ, say: Callable[[str], None] = binaries.say) -> Path:
    """That folder, made first where it is missing. Raises NotToBeHad."""
    home = _home(environ)
    if not home.is_dir():
        home.parent.mkdir(parents=True, exist_ok=True)
        with binaries.only_one(home.with_suffix(".lock"), say):
            if not home.is_dir():  # the other one made it
                _get_tools(say)
                with tempfile.TemporaryDirectory(dir=home.parent, prefix=".new-") as folder:
                    _make(Path(folder), say).replace(home)  # whole or not at all
    return home


def _make(folder: Path, say: Callable[[str], None]) -> Path:
    fetched = folder / "fetched"
    say("getting Elasticsearch by Maven (some 90 MB)")
    fetch = ("mvn", "--batch-mode", "--quiet", "--file", HERE / "pom.xml", _FETCH, f"-DoutputDirectory={fetched}")
    _run(fetch, "Maven", say)
    jars = {path.name: _sum(path) for path in sorted(fetched.glob("*.jar"))}
    pinned = {name: digest for digest, name in map(str.split, SUMS.read_text().splitlines())}
    if jars != pinned:
        wrong = sorted(name for name in jars.keys() | pinned.keys() if jars.get(name) != pinned.get(name))
        raise NotToBeHad(f"{', '.join(wrong)}: not what {SUMS.name} says; that file and pom.xml go together.")
    return elasticsearch_home.assemble(fetched, HERE, folder, lambda command: _run(command, "the JDK", say))


def _get_tools(say: Callable[[str], None]) -> None:
    """Maven and a JDK. Where they lack they are installed on Debian, where this user may."""
    missing = [name for name in ("mvn", "javac", "jar", "java") if shutil.which(name) is None]
    if missing and shutil.which("apt-get") and os.geteuid() == 0:
        say(f"installing {' and '.join(_DEBIAN)}, for Elasticsearch")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        _run(("apt-get", "update", "-qq"), "apt-get", say, environment)
        _run(("apt-get", "install", "-qq", "--no-install-recommends", *_DEBIAN), "apt-get", say, environment)
        missing = [name for name in missing if shutil.which(name) is None]
    if missing:
        raise NotToBeHad(
            f"There is no {', '.join(missing)} here: install Maven and a JDK of version 17 or newer (on Debian: apt "
            f"install {' '.join(_DEBIAN)})."
        )


def _run(
    command: Sequence[str | Path], what: str, say: Callable[[str], None], environment: Mapping[str, str] | None = None
) -> None:
    """Run it to its end; a line now and then shows that it lives. Raises NotToBeHad with its last words."""
    started = time.monotonic()
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(
            [str(word) for word in command],
            env=environment and dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as running,
    ):
        while running.poll() is None:
            if (lasted := time.monotonic() - started) > _LIMIT:
                running.terminate()
                raise NotToBeHad(f"{what} was still running after {_LIMIT:.0f} s, and was stopped.")
            try:
                running.wait(_REPORT_EVERY)
            except subprocess.TimeoutExpired:
                say(f"  {what}: {lasted + _REPORT_EVERY:.0f} s so far")
        output.seek(0)
        if running.returncode != 0:
            raise NotToBeHad(f"{what} failed. Its last words were:\n{''.join(output.readlines()[-20:])}")


def _home(environ: Mapping[str, str]) -> Path:
    """Another version, or another program of ours, has another folder."""
    seen = hashlib.sha256(Path(elasticsearch_home.__file__).read_bytes())
    for file in sorted(HERE.iterdir()):
        seen.update(file.read_bytes())
    return binaries.cache(environ) / f"elasticsearch-{seen.hexdigest()[:12]}"


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":  # renews jars.sha256 from a folder of jars, after the version in pom.xml was changed
    SUMS.write_text("".join(f"{_sum(path)}  {path.name}\n" for path in sorted(Path(sys.argv[1]).glob("*.jar"))))
