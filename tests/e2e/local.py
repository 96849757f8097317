"""The control plane of this machine as a place: real helm, real API server, and the operator as a process."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.controlplane import ControlPlane, DeployedOperator, free_port
from tests.e2e.place import DEPLOYMENT, NAMESPACE, Place, Programs, run
from tests.e2e.version import Version


class OperatorOf(DeployedOperator):
    """Runs the code of that version, on the dependencies of this virtual environment."""

    def __init__(self, version: Version, plane: ControlPlane, deployment: dict[str, Any]) -> None:
        super().__init__(plane, [deployment])
        self._code = version.code

    def _prepared(self) -> tuple[list[str], dict[str, str]]:
        command, environment = super()._prepared()
        return command, environment | {"PYTHONPATH": str(self._code)}

    def start(self) -> None:
        """And make sure that it is the code of that version that runs."""
        super().start()
        _, environment = self._prepared()
        found = Path(run([sys.executable, "-c", "import keyferry; print(keyferry.__file__)"], environment).strip())
        assert found.is_relative_to(self._code), f"{found} is not of {self._code}"

    def run(self, *command: str, stdin: str) -> str:
        """What `kubectl exec` would do in its pod."""
        own, environment = self._prepared()
        assert command[0] == "keyferry"
        return run([own[0], *command[1:]], environment, stdin)


class Local(Place):
    """What a kubelet and the Deployment's controller would do, it does when asked to follow."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        programs = Programs(kubectl=str(plane.binaries.kubectl), helm=str(plane.binaries.helm))
        environment = {"KUBECONFIG": str(plane.kubeconfig), "HOME": str(folder), "PATH": os.defpath}
        super().__init__(programs, environment)
        self._plane = plane
        self._data_dir, self._port = folder / "data", free_port()
        self._data_dir.mkdir()
        self._operator: OperatorOf | None = None

    @property
    def values(self) -> Mapping[str, Any]:
        return {"dataDir": str(self._data_dir), "listen": {"port": self._port}}

    def bring(self, version: Version) -> None:
        """Its code is where it is."""

    def follow(self, version: Version) -> None:
        self.stop()  # the Deployment's strategy is Recreate
        self._operator = OperatorOf(version, self._plane, self.read(DEPLOYMENT, f"--namespace={NAMESPACE}"))
        self._operator.start()
        self._operator.wait_ready()

    def stop(self) -> None:
        if self._operator:
            self._operator.close()

    def in_pod(self, *command: str, stdin: str) -> str:
        assert self._operator
        return self._operator.run(*command, stdin=stdin)
