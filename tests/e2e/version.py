"""Versions of Keyferry: what is checked out, and the one before it, from the repository's history."""

import io
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]

# Nothing is released yet. This commit ended the work on what 10,000 ExternalSecrets cost, before that on how Keyferry
# is installed began. Its chart has version 0.1.0, and stands for the previous release.
PREVIOUS = "9c9e500ff6b8d4a9c1720d368913a41c8546c9e9"
TAKEN = ("helm", "crds", "operator")  # and what its image is made of:
BUILT_OF = (
    ".dockerignore",
    "Dockerfile",
    "Makefile",
    "README.md",
    "pyproject.toml",
    "requirements-build.lock",
    "requirements-runtime.lock",
)


class Shallow(Exception):
    """The clone has no history to take the previous version from."""


@dataclass(frozen=True, slots=True)
class Version:
    """A tree of files with the chart, the CRDs and the operator's code."""

    tree: Path

    @property
    def chart(self) -> Path:
        return self.tree / "helm" / "keyferry"

    @property
    def code(self) -> Path:
        """What to import `keyferry` from."""
        return self.tree / "operator"

    @property
    def number(self) -> str:
        """The chart's appVersion, which is its image's tag as well."""
        number: str = yaml.safe_load((self.chart / "Chart.yaml").read_text())["appVersion"]
        return number

    def schemas(self) -> dict[str, dict[str, object]]:
        """The schema of each CRD, by the CRD's name."""
        crds = [yaml.load(path.read_text(), Loader=yaml.CSafeLoader) for path in (self.tree / "crds").glob("*.yaml")]
        return {crd["metadata"]["name"]: schema_of(crd) for crd in crds}


CURRENT = Version(ROOT)


def schema_of(crd: dict[str, object]) -> dict[str, object]:
    """The schema of a CRD's only version."""
    (version,) = crd["spec"]["versions"]  # type: ignore[index] # plain JSON
    schema: dict[str, object] = version["schema"]["openAPIV3Schema"]
    return schema


def previous(folder: Path, root: Path = ROOT) -> Version:
    """The version before, its files below the folder. Raises Shallow, and where a whole clone lacks it GitFailed."""
    if _git(root, "rev-parse", "--is-shallow-repository") == b"true\n":
        known = subprocess.run(["git", "-C", root, "cat-file", "-e", PREVIOUS], capture_output=True, check=False)  # noqa: S607
        if known.returncode != 0:
            raise Shallow("this clone is shallow and has no previous version to upgrade from: git fetch --unshallow")
    packed = _git(root, "archive", "--format=tar", PREVIOUS, *TAKEN, *BUILT_OF)
    with tarfile.open(fileobj=io.BytesIO(packed)) as files:
        files.extractall(folder, filter="data")
    return Version(folder)


class GitFailed(Exception):
    """git refused; the text is its own."""


def _git(root: Path, *arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False)  # noqa: S607 - the user's
    if done.returncode != 0:
        raise GitFailed(f"git {arguments[0]} ended with {done.returncode}: {done.stderr.decode()}")
    return done.stdout
