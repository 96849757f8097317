"""The operator as its Deployment says, in a container of its image, on this machine's network."""

import os
import shutil
import subprocess
import urllib.parse
from collections.abc import Iterable
from pathlib import Path

from tests.controlplane.chart import Manifest, of_kind
from tests.controlplane.container import CannotRun
from tests.controlplane.deployment import DeployedOperator
from tests.controlplane.plane import ControlPlane
from tests.image.kubelet import Rules, rules_of
from tests.image.podman import Podman

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
# A container is nobody's child: were its test killed by SIGKILL, this would still end it. $0 is the test's process.
GUARD = 'while kill -0 "$0" 2>/dev/null; do sleep 1; done; exec "$@"'


class ContainedOperator(DeployedOperator):
    """Runs the rendered Deployment's image, under all that it says of user, rights, memory and volumes.

    Its ServiceAccount's token is where every pod has it, and no other credential is given.
    """

    def __init__(self, podman: Podman, plane: ControlPlane, manifests: Iterable[Manifest]) -> None:
        listed = list(manifests)
        super().__init__(plane, listed)
        (deployment,) = of_kind(listed, "Deployment")
        self._podman = podman
        self.rules: Rules = rules_of(deployment)
        self._guard: subprocess.Popen[bytes] | None = None
        self._mounted = deployment["spec"]["template"]["spec"].get("automountServiceAccountToken", True)

    def start(self) -> None:
        """Start it, and return at once."""
        if self._guard is None:
            command = ["sh", "-c", GUARD, str(os.getpid()), *self._podman.command, *self._removal]
            self._guard = subprocess.Popen(
                command, env=self._podman.environment, stdin=subprocess.DEVNULL, start_new_session=True
            )
        super().start()

    @property
    def _removal(self) -> list[str]:
        return ["rm", "--force", "--ignore", "--time=0", self.pod.name]

    @property
    def pid(self) -> int:
        """Of the operator itself, as this machine counts."""
        return int(self._podman.ask("inspect", "--format", "{{.State.Pid}}", self.pod.name))

    def execute(self, *command: str) -> str:
        """Run a command in the running container, as `kubectl exec` does; the answer is what it prints."""
        return self._podman.ask("exec", self.pod.name, *command)

    def volume(self, path: str) -> Path:
        """Where this machine has what is mounted there."""
        if path not in self.container.folders:
            raise CannotRun(f"The Deployment mounts nothing at {path}, only at {', '.join(self.container.folders)}.")
        return self.folder / "volumes" / path.strip("/").replace("/", "-")

    def kill(self) -> int:
        """SIGKILL, as a node's end or the kernel's out-of-memory killer would."""
        self._podman.ask("kill", "--signal=KILL", self.pod.name)
        return self._started().popen.wait(10.0)

    def close(self) -> None:
        """Stop it, whatever state it is in."""
        super().close()
        self._podman.ask(*self._removal)
        if self._guard is not None:
            self._guard.kill()
            self._guard.wait()

    def _prepared(self) -> tuple[list[str], dict[str, str]]:
        mounts = [f"--volume={self._made(path)}:{path}:rw" for path in self.container.folders]
        if self._mounted:
            mounts.append(f"--volume={self._account()}:{ACCOUNT}:ro")
        server = urllib.parse.urlsplit(self._plane.url)
        environment = {
            "KUBERNETES_SERVICE_HOST": server.hostname or "",
            "KUBERNETES_SERVICE_PORT": str(server.port),
            **self.container.environment,
        }
        program, *arguments = self.container.command
        command = [
            *self._podman.command,
            *("run", "--rm", "--pull=never", f"--name={self.pod.name}"),
            *("--network=host", "--http-proxy=false", *self.rules.flags, *mounts),
            *(f"--env={name}={value}" for name, value in environment.items()),
            *(f"--entrypoint={program}", self.rules.image, *arguments),
        ]
        return command, self._podman.environment

    def _made(self, path: str) -> Path:
        """A volume for the pod's group alone, as `fsGroup` gives it."""
        folder = self.volume(path)
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, 0, self.rules.volumes_group)
        folder.chmod(0o2770)
        return folder

    def _account(self) -> Path:
        """What a kubelet mounts of the ServiceAccount."""
        folder = self.folder / "serviceaccount"
        folder.mkdir(mode=0o755, exist_ok=True)
        token = folder / "token"
        token.touch(mode=0o640)
        token.write_text(self._plane.service_account_token(self.pod.namespace, self.pod.service_account))
        os.chown(token, 0, self.rules.volumes_group)
        shutil.copyfile(self._plane.ca_file, folder / "ca.crt")
        (folder / "ca.crt").chmod(0o644)
        (folder / "namespace").write_text(self.pod.namespace)
        return folder
