"""A cluster as its platform team has it: with kubectl and helm, and nothing else of it within reach."""

import json
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.e2e.version import Version

RELEASE, NAMESPACE = "keyferry", "keyferry-system"
DEPLOYMENT = f"deployment/{RELEASE}"
WITHIN = 300.0  # seconds for any one command, those that wait for a pod included


class CommandFailed(Exception):
    """A program ended with an error; the text is its own."""


@dataclass(frozen=True, slots=True)
class Programs:
    """Where they are."""

    kubectl: str
    helm: str


class Place(ABC):
    """What tests do with it. Everything goes through the programs that users have."""

    def __init__(self, programs: Programs, environment: Mapping[str, str]) -> None:
        """`environment`: theirs, with the KUBECONFIG."""
        self._programs = programs
        self._environment = environment

    @property
    @abstractmethod
    def values(self) -> Mapping[str, Any]:
        """What the chart must be told here, whichever its version."""

    @abstractmethod
    def bring(self, version: Version) -> None:
        """Bring that version's image to where its pods will run."""

    @abstractmethod
    def follow(self, version: Version) -> None:
        """Return when what the Deployment says now runs and is ready, and nothing of what it said before."""

    @abstractmethod
    def stop(self) -> None:
        """End what Kubernetes does not end here."""

    @abstractmethod
    def in_pod(self, *command: str, stdin: str) -> str:
        """Run a command in the operator's pod, with its rights; what it prints."""

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        return run([self._programs.kubectl, *arguments], self._environment, stdin)

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        """As a pipeline does."""
        listed = {"apiVersion": "v1", "kind": "List", "items": manifests}
        self.kubectl("apply", "--server-side", "--filename=-", stdin=json.dumps(listed))

    def read(self, *arguments: str) -> dict[str, Any]:
        """What `kubectl get` finds."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "--output=json"))
        return found

    def install(self, version: Version, values: Mapping[str, Any]) -> None:
        """As the pages say, with these values beside those of the place."""
        self.bring(version)
        options = ("--create-namespace", "--values=-")
        self._helm("install", str(version.chart), *options, stdin=json.dumps({**self.values, **values}))
        self.follow(version)

    def upgrade(self, version: Version) -> None:
        """As the pages say, with no value changed."""
        self.bring(version)
        self._helm("upgrade", str(version.chart), "--reset-then-reuse-values")
        self.follow(version)

    def uninstall(self) -> None:
        """As the pages say; returns when no pod of it is left."""
        self._helm("uninstall")
        self.stop()
        pods = ("pods", f"--selector=app.kubernetes.io/instance={RELEASE}", f"--namespace={NAMESPACE}")
        self.kubectl("wait", "--for=delete", *pods, "--timeout=120s")

    def _helm(self, verb: str, *arguments: str, stdin: str = "") -> None:
        command = [self._programs.helm, verb, RELEASE, *arguments, f"--namespace={NAMESPACE}"]
        run(command, self._environment, stdin)


def run(command: list[str], environment: Mapping[str, str], stdin: str = "", *, within: float = WITHIN) -> str:
    """What it prints. Raises CommandFailed."""
    done = subprocess.run(
        command, input=stdin, env=dict(environment), capture_output=True, text=True, check=False, timeout=within
    )
    if done.returncode != 0:
        raise CommandFailed(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}{done.stdout}")
    return done.stdout
