"""Which programs a control plane is made of, and which version of each: the go.mod files beside this one say it."""

import hashlib
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Source:
    """A pinned Go module, and the programs that are built from it."""

    name: str
    folder: Path
    module: str
    packages: tuple[str, ...]
    stamps: tuple[str, ...] = ()
    """The linker variables that hold the version: without them the API server's own version does not parse."""

    @property
    def programs(self) -> tuple[str, ...]:
        return tuple(_program(package) for package in self.packages)

    @property
    def version(self) -> str:
        """The module's version, with its leading v."""
        found = re.search(rf"^\s*{re.escape(self.module)} (v\S+)", (self.folder / "go.mod").read_text(), re.MULTILINE)
        if found is None:
            raise ValueError(f"{self.folder / 'go.mod'} requires no {self.module}: add it with `go get -tool`.")
        return found[1]

    @property
    def ldflags(self) -> str:
        """What the linker is told: no debug tables (a third of the size), and the version."""
        major, minor, _ = self.version.removeprefix("v").split(".", 2)
        values = {"version": self.version, "major": major, "minor": minor}
        return " ".join(["-s", "-w", *(f"-X {stamp.format(**values)}" for stamp in self.stamps)])


_KUBERNETES_VERSION = "k8s.io/component-base/version"

KUBERNETES = Source(
    name="Kubernetes",
    folder=HERE,
    module="k8s.io/kubernetes",
    packages=(
        "k8s.io/kubernetes/cmd/kube-apiserver",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
        "k8s.io/kubernetes/cmd/kubectl",
    ),
    stamps=(
        f"{_KUBERNETES_VERSION}.gitVersion={{version}}",
        f"{_KUBERNETES_VERSION}.gitMajor={{major}}",
        f"{_KUBERNETES_VERSION}.gitMinor={{minor}}",
    ),
)
ETCD = Source(
    name="etcd",
    folder=HERE / "etcd",
    module="go.etcd.io/etcd/server/v3",
    packages=("go.etcd.io/etcd/server/v3",),
)
HELM = Source(
    name="Helm",
    folder=HERE / "helm",
    module="helm.sh/helm/v4",
    packages=("helm.sh/helm/v4/cmd/helm",),
    stamps=("helm.sh/helm/v4/internal/version.version={version}",),
)
SOURCES = (ETCD, KUBERNETES, HELM)  # Helm last: much of what it is built from is then in the build cache already


def architecture() -> str:
    """This machine's processor, in Go's words."""
    machine = platform.machine().lower()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def digest(sources: Iterable[Source] = SOURCES) -> str:
    """What names the cache folder: a changed version is another folder, and so is built again."""
    seen = hashlib.sha256(f"{platform.system()} {architecture()}".encode())
    for source in sources:
        seen.update((source.folder / "go.mod").read_bytes() + source.ldflags.encode())
        for file in sorted(source.folder.glob("*.go")):  # a program of our own
            seen.update(file.read_bytes())
    return seen.hexdigest()[:12]


def _program(package: str) -> str:
    return "etcd" if package == "go.etcd.io/etcd/server/v3" else package.rsplit("/", 1)[-1]
