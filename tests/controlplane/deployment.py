"""The operator as its Deployment says, as a process of this machine under the rights of its ServiceAccount."""

import base64
import http.client
import json
import os
import shutil
import sysconfig
import time
import uuid
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from tests.controlplane.chart import Manifest, of_kind
from tests.controlplane.container import CannotRun, Container, Pod, container_of
from tests.controlplane.plane import ControlPlane
from tests.controlplane.processes import Process, ProcessGroup


class NotReady(Exception):
    """The operator's readiness probe did not succeed in time; the text ends with its log's last lines."""


class DeployedOperator:
    """Runs the rendered Deployment's command with its arguments, its environment and its ServiceAccount.

    The Deployment must be installed. Leaving the context stops the operator, as does its owner's end.
    """

    def __init__(self, plane: ControlPlane, manifests: Iterable[Manifest]) -> None:
        (deployment,) = of_kind(manifests, "Deployment")
        spec = deployment["spec"]["template"]["spec"]
        self._plane = plane
        self._deployment = deployment
        self.pod = Pod(
            namespace=deployment["metadata"]["namespace"],
            name=f"{deployment['metadata']['name']}-{uuid.uuid4().hex[:5]}",
            service_account=spec.get("serviceAccountName", "default"),
        )
        self.container: Container = container_of(deployment, self.pod, self._read_key)
        self.folder = plane.folder / self.pod.name
        self._group = ProcessGroup()
        self._process: Process | None = None

    @property
    def user(self) -> str:
        """The name under which the API server knows it, for the audit log."""
        return f"system:serviceaccount:{self.pod.namespace}:{self.pod.service_account}"

    @property
    def address(self) -> str:
        """Where it serves its health and its metrics."""
        return f"http://127.0.0.1:{self.container.readiness_port}"

    @property
    def log(self) -> str:
        """All that it has printed, over all its starts."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        return self._started().pid

    def replica(self, port: int, *arguments: str) -> "DeployedOperator":
        """Another pod of the same Deployment, or with more arguments of the next.

        All are on one machine here, so each has a port of its own.
        """
        own = str(self.container.readiness_port)
        other = json.loads(json.dumps(self._deployment).replace(own, str(port)))
        other["spec"]["template"]["spec"]["containers"][0]["args"] += arguments
        return DeployedOperator(self._plane, [other])

    def start(self) -> None:
        """Start it, and return at once."""
        if self.running:
            raise CannotRun("The operator runs already: stop or kill it first.")
        self.folder.mkdir(parents=True, exist_ok=True)
        command, environment = self._prepared()
        self._process = self._group.start(self.pod.name, command, log=self.folder / "log", environment=environment)

    def _prepared(self) -> tuple[list[str], dict[str, str]]:
        """The command that starts it, and its environment."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        for folder in self.container.folders:
            _require(folder)
        kubeconfig = self._plane.service_account_kubeconfig(self.pod.namespace, self.pod.service_account, self.folder)
        # What the image and the kubelet would add, and nothing of the environment that the tests run in.
        host = {"PATH": search_path(), "HOME": str(home), "KUBECONFIG": str(kubeconfig)}
        command = [_executable(self.container.command[0]), *self.container.command[1:]]
        return command, host | self.container.environment

    def wait_ready(self, timeout: float = 30.0) -> None:
        """Return when its readiness probe succeeds; raise at once if it ends before."""
        until = time.monotonic() + timeout
        while not self.ready():
            self._started().check()
            if time.monotonic() > until:
                tail = self._started().tail()
                raise NotReady(f"{self.pod.name} was not ready within {timeout:.0f} s. Its last words:\n{tail}")
            time.sleep(0.02)

    def ready(self) -> bool:
        """What a kubelet's probe would find now."""
        connection = http.client.HTTPConnection("127.0.0.1", self.container.readiness_port, timeout=1)
        try:
            connection.request("GET", self.container.readiness_path)
            return connection.getresponse().status < 400
        except (OSError, http.client.HTTPException):  # it does not listen yet, or not any more
            return False
        finally:
            connection.close()

    def stop(self) -> int:
        """SIGTERM, and SIGKILL after the Deployment's grace period; the answer is the exit code."""
        return self._started().end(self.container.grace)

    def kill(self) -> int:
        """SIGKILL, as a node's end or the kernel's out-of-memory killer would."""
        return self._started().end(grace=0)

    def close(self) -> None:
        """Stop it, whatever state it is in."""
        if self.running:
            self.stop()
        self._group.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _started(self) -> Process:
        if self._process is None:
            raise CannotRun("The operator was not started: call start() first.")
        return self._process

    def _read_key(self, kind: str, name: str, key: str) -> str:
        found = self._plane.request("GET", f"/api/v1/namespaces/{self.pod.namespace}/{kind.lower()}s/{name}")
        value: str = found["data"][key]
        return base64.b64decode(value).decode() if kind == "Secret" else value


def search_path() -> str:
    """Where a program is looked for: this virtual environment first."""
    return os.pathsep.join([sysconfig.get_path("scripts"), os.defpath])


def _executable(name: str) -> str:
    found = shutil.which(name, path=search_path())
    if found is None:
        raise CannotRun(f"The Deployment runs `{name}`, which is not installed here: run `make setup`.")
    return found


def _require(folder: str) -> None:
    """A volume's folder. There is no container: the path is this machine's, and nothing is left behind on it."""
    if not os.access(folder, os.W_OK):
        raise CannotRun(
            f"The Deployment mounts a volume at {folder}, which is no folder that this process may write to: render "
            "the chart with dataDir set to a temporary folder."
        )
