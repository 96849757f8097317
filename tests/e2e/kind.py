"""kind as a place: Docker, kind, kubectl and helm of whoever runs `make e2e`, and a cluster of the tests' own."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.e2e.place import DEPLOYMENT, NAMESPACE, CommandFailed, Place, Programs, run
from tests.e2e.version import ROOT, Version

CLUSTER = "keyferry-e2e"
REPOSITORY = "keyferry-e2e"
BUILT_WITHIN = 1800.0  # seconds, where every layer has to be made
PROGRAMS = {
    "docker": "https://docs.docker.com/engine/install (its daemon has to run)",
    "kind": "https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
    "kubectl": "https://kubernetes.io/docs/tasks/tools/#kubectl",
    "helm": "https://helm.sh/docs/intro/install",
}


def missing() -> list[str]:
    """What this machine lacks, and where to get it; empty where kind can be used."""
    path = os.environ.get("PATH", os.defpath)
    lacks = [f"{name}: {where}" for name, where in PROGRAMS.items() if shutil.which(name, path=path) is None]
    if lacks:
        return lacks
    try:
        run(["docker", "info"], os.environ)
    except CommandFailed as refused:
        return [f"a Docker daemon that answers: {refused}"]
    return []


def image_of(version: Version) -> str:
    """As its chart names it by default."""
    return f"{REPOSITORY}:{version.number}"


class Kind(Place):
    """Made on entering, deleted on leaving. Images are built of each version's files, and brought to the node."""

    def __init__(self, folder: Path) -> None:
        self._kubeconfig = folder / "kubeconfig"
        environment = os.environ | {"KUBECONFIG": str(self._kubeconfig)}
        super().__init__(Programs(kubectl="kubectl", helm="helm"), environment)

    @property
    def values(self) -> Mapping[str, Any]:
        return {"image": {"repository": REPOSITORY}}

    def __enter__(self) -> Self:
        self._cluster("delete")  # what a run that was killed left behind
        self._cluster("create", f"--config={ROOT / 'kind-config.yaml'}", "--wait=180s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cluster("delete")

    def bring(self, version: Version) -> None:
        """Build its image as its Makefile does, with what `make e2e` was told (BASE, BUILD_OPTIONS)."""
        image = image_of(version)
        run(["make", f"--directory={version.tree}", "image", f"IMAGE={image}"], os.environ, within=BUILT_WITHIN)
        run(["kind", "load", "docker-image", image, f"--name={CLUSTER}"], os.environ)

    def follow(self, version: Version) -> None:  # noqa: ARG002 - the Deployment names its image
        """Ready is what a kubelet says, and the chart's own test where it has one."""
        here = f"--namespace={NAMESPACE}"
        try:
            self.kubectl("rollout", "status", DEPLOYMENT, "--timeout=180s", here)
        except CommandFailed as late:
            raise CommandFailed(f"{late}\n{self.kubectl('describe', 'pods', here)}") from None
        self._helm("test", "--timeout=120s")

    def stop(self) -> None:
        """Kubernetes does."""

    def in_pod(self, *command: str, stdin: str) -> str:
        return self.kubectl("exec", "--stdin", DEPLOYMENT, f"--namespace={NAMESPACE}", "--", *command, stdin=stdin)

    def _cluster(self, verb: str, *options: str) -> None:
        """The user's own kubeconfig stays as it is."""
        own = (f"--name={CLUSTER}", f"--kubeconfig={self._kubeconfig}")
        run(["kind", verb, "cluster", *own, *options], os.environ)
