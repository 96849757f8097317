"""Finds the programs of a control plane, or gets them: from KUBEBUILDER_ASSETS, a cache, a release, a build."""

import contextlib
import fcntl
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane import gobuild, pins, release


class BinariesMissing(Exception):
    """A program is not there; the text says how to get it."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where each program lies."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kubectl: Path
    helm: Path


def say(line: str) -> None:
    """Show progress where it does not mix with a command's output."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of these versions. Another version has another folder."""
    return cache(environ) / f"controlplane-{pins.digest()}"


def find_program(source: pins.Source, environ: Mapping[str, str] = os.environ) -> Path:
    """The one program of a source that is no part of the control plane; nothing is built."""
    program = _program_of(source, environ)
    if not os.access(program, os.X_OK):
        raise BinariesMissing(
            f"There is no {source.name} for the tests. Run `make servers` once (it builds it and keeps it)."
        )
    return program


def ensure_program(
    source: pins.Source, environ: Mapping[str, str] = os.environ, say: Callable[[str], None] = say
) -> Path:
    """That program, built first where it is missing."""
    found = _program_of(source, environ)
    if not os.access(found, os.X_OK):
        found.parent.mkdir(parents=True, exist_ok=True)
        with only_one(found.parent / ".lock", say):
            if not os.access(found, os.X_OK):  # the other one built it
                _get(source, found.parent, say, None)
    return found


def _program_of(source: pins.Source, environ: Mapping[str, str]) -> Path:
    (program,) = source.programs
    return cache(environ) / f"{program}-{pins.digest([source])}" / program


def cache(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of all that is got once and kept."""
    default = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keyferry"
    return Path(environ.get("KEYFERRY_CACHE") or default)


def find(environ: Mapping[str, str] = os.environ) -> Binaries:
    """The programs that are there already; nothing is downloaded or built."""
    found = {program: _located(program, environ) for source in pins.SOURCES for program in source.programs}
    missing = sorted(program for program, path in found.items() if path is None)
    if missing:
        raise BinariesMissing(
            f"The local control plane lacks {', '.join(missing)}. Run `make controlplane` once (it downloads or builds "
            "them and keeps them), or set KUBEBUILDER_ASSETS to a folder that holds them."
        )
    return Binaries(**{program.replace("-", "_"): path for program, path in found.items() if path is not None})


def ensure(
    environ: Mapping[str, str] = os.environ, say: Callable[[str], None] = say, site: release.Site | None = None
) -> Binaries:
    """The programs, downloaded or built first where they are missing."""
    folder = cache_folder(environ)
    with contextlib.suppress(BinariesMissing):
        return find(environ)
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder / ".lock", say):
        for source in pins.SOURCES:
            if any(_located(program, environ) is None for program in source.programs):  # the other one built it
                _get(source, folder, say, site)
    return find(environ)


def _located(program: str, environ: Mapping[str, str]) -> Path | None:
    folders = [cache_folder(environ)]
    if assets := environ.get("KUBEBUILDER_ASSETS"):
        if not Path(assets).is_dir():
            raise BinariesMissing(f"KUBEBUILDER_ASSETS names {assets}, which is no folder: correct it or unset it.")
        folders.insert(0, Path(assets))
    return next((path for folder in folders if os.access(path := folder / program, os.X_OK)), None)


def _get(source: pins.Source, folder: Path, say: Callable[[str], None], site: release.Site | None) -> None:
    """Programs appear in the cache whole or not at all: they are made beside it and renamed into it."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as made:
        try:
            release.download(source, Path(made), say, site)
        except release.NoRelease as e:
            say(f"{e}: building from source")
            gobuild.build(source, Path(made), say)
        for program in source.programs:
            (Path(made) / program).replace(folder / program)


@contextlib.contextmanager
def only_one(lock: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Two builds at once would take twice as long each; the lock falls with its process, however that ends."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is getting this: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
