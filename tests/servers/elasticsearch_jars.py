"""A node of Elasticsearch, made of its published jars: fetched by Maven once, checked, and kept in the project's cache.

Elasticsearch's licence lets anybody use them. They are for tests alone: neither in this repository nor in anything that
the project ships.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.controlplane import binaries
from tests.servers import apt, elasticsearch_home, patience

HERE = Path(__file__).parent / "elasticsearch"
SUMS = HERE / "jars.sha256"
LEFT_OUT = (
    "the contract suite over elasticsearch, tests/contract/test_elasticsearch_*, tests/cluster/test_elasticsearch.py"
)
_LIMIT = 900.0  # seconds, of one command
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
    fetch = ("mvn", "--batch-mode", "--quiet", "--file", HERE / "pom.xml", _FETCH, f"-DoutputDirectory={fetched}")
    with _told():
        patience.run(fetch, "getting Elasticsearch by Maven (some 90 MB)", within=_LIMIT, say=say)
    jars = {path.name: _sum(path) for path in sorted(fetched.glob("*.jar"))}
    pinned = {name: digest for digest, name in map(str.split, SUMS.read_text().splitlines())}
    if jars != pinned:
        wrong = sorted(name for name in jars.keys() | pinned.keys() if jars.get(name) != pinned.get(name))
        raise NotToBeHad(f"{', '.join(wrong)}: not what {SUMS.name} says; that file and pom.xml go together.")
    with _told():
        return elasticsearch_home.assemble(fetched, HERE, folder, lambda command: _compile(command, say))


def _compile(command: Sequence[str | Path], say: Callable[[str], None]) -> None:
    patience.run(command, "the JDK's part of it", within=_LIMIT, say=say)


def _get_tools(say: Callable[[str], None]) -> None:
    """Maven and a JDK. Where they lack they are installed on Debian, where this user may."""
    missing = [name for name in ("mvn", "javac", "jar", "java") if shutil.which(name) is None]
    if missing:
        with suppress(apt.Missing), _told():
            apt.install(*_DEBIAN, say=say)
        missing = [name for name in missing if shutil.which(name) is None]
    if missing:
        raise NotToBeHad(
            f"There is no {', '.join(missing)} here: install Maven and a JDK of version 17 or newer (on Debian: apt "
            f"install {' '.join(_DEBIAN)})."
        )


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except patience.CommandFailed as failed:
        raise NotToBeHad(str(failed)) from failed


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
