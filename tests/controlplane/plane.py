"""A real Kubernetes API on this machine: etcd, kube-apiserver and kube-controller-manager, while it is used."""

import contextlib
import http
import itertools
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.controlplane import binaries, credentials, kubeconfig, programs
from tests.controlplane.absence import Absence
from tests.controlplane.api import Api, RequestFailed
from tests.controlplane.audit import AuditEvent, AuditLog
from tests.controlplane.processes import Process, ProcessDied, ProcessGroup

READY_WITHIN = 90.0  # a few seconds where nothing else runs; a loaded machine may take many times that
KUBECTL_WITHIN = 120.0
PORT_ATTEMPTS = 5
_PORTS = range(20000, 32000, 10)  # below those that the system gives away; some programs take the next one, too
_turns = itertools.count(os.getpid() * 1009)  # other processes are elsewhere in them


class NotReady(Exception):
    """A part of the control plane did not come up in time; the text ends with its log's last lines."""


class KubectlFailed(Exception):
    """kubectl ended with an error; the text is what it printed."""


class _PortTaken(Exception):
    """Another process took the port between our looking and the API server's binding it."""


class ControlPlane:
    """Starts on entering, stops on leaving, and leaves no process and no file, even if its owner is killed.

    Everything it writes lies in one folder that only its owner may read. Several may run at once.
    """

    url: str
    ca_file: Path
    kubeconfig: Path
    folder: Path

    def __init__(self, found: binaries.Binaries | None = None) -> None:
        self.binaries = found or binaries.find()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start all three, and return when they are ready for use."""
        self.folder = Path(tempfile.mkdtemp(prefix="keyferry-plane-"))  # mode 0700
        self._group = ProcessGroup(self.folder)
        self._parts: dict[str, Process] = {}
        try:
            self._credentials = credentials.write(self.folder)
            self.ca_file = self._credentials.ca
            self._run("etcd", programs.etcd(self.binaries.etcd, self.folder))
            self._start_apiserver()
            self._start_controllers()
            self._wait(self._api.ready, "kube-apiserver")
            self._wait(self._controllers_work, "kube-controller-manager")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all three by SIGKILL: their data goes with them, so there is nothing to be gentle about."""
        self._group.stop()
        if "kube-apiserver" in self._parts:
            self._api.close()

    def restart_controllers(self) -> None:
        """Start the controllers anew: the garbage collector learns of new kinds at its start, and else every 30 s."""
        self._parts["kube-controller-manager"].end(grace=0)
        self._start_controllers()

    @contextlib.contextmanager
    def away(self, *, silent: bool = False) -> Iterator[Absence]:
        """The API server is gone while the context is open; afterwards it is there again, with all that it knew.

        `silent`: it takes connections and answers nothing, and then goes on as if nothing had been. Else it is killed,
        whoever calls is sent away and counted, and the controllers are gone with it.
        """
        if silent:
            with _frozen(self._parts["kube-apiserver"].pid):
                yield Absence()
        else:
            for part in ("kube-controller-manager", "kube-apiserver"):
                self._parts.pop(part).end(grace=0)
            with Absence() as absence:
                absence.hold(self._port)
                yield absence
            self._run("kube-apiserver", self._apiserver_command)
            self._wait(self._api.ready, "kube-apiserver")
            self._start_controllers()
        self._api.close()  # what it kept open is of no use any more

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl as the administrator; the answer is what it prints."""
        done = subprocess.run(
            [str(self.binaries.kubectl), f"--cache-dir={self.folder / 'kubectl-cache'}", *args],
            input=stdin or "",
            env={"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.folder), "PATH": os.defpath},
            capture_output=True,
            text=True,
            check=False,
            timeout=KUBECTL_WITHIN,
        )
        if done.returncode != 0:
            raise KubectlFailed(f"kubectl {' '.join(args)} ended with {done.returncode}: {done.stderr}{done.stdout}")
        return done.stdout

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """Send one request as the administrator; the answer is its JSON. Raises RequestFailed."""
        return self._api.request(method, path, body, content_type)

    def watch(self, path: str) -> list[Any]:
        """Every event of a watch that ends by itself, as one with timeoutSeconds does."""
        return self._api.watch(path)

    def exists(self, path: str) -> bool:
        """Whether there is an object at this path."""
        try:
            self.request("GET", path)
        except RequestFailed as e:
            if e.code == http.HTTPStatus.NOT_FOUND:
                return False
            raise
        return True

    def audit(self) -> Iterator[AuditEvent]:
        """Every call answered so far, but for those of the control plane itself."""
        return AuditLog(self.folder / "audit.log").events(self._api)

    def service_account_kubeconfig(self, namespace: str, name: str, folder: Path) -> Path:
        """Write a kubeconfig for the ServiceAccount into the folder. Its token holds for a day."""
        api = Api(self.url, self.ca_file, self.service_account_token(namespace, name))
        return kubeconfig.write(folder / f"{namespace}-{name}.kubeconfig", api, user=name, namespace=namespace)

    def service_account_token(self, namespace: str, name: str) -> str:
        """A token of the ServiceAccount that holds for a day."""
        spec = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 86400}}
        answer = self.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", spec)
        token: str = answer["status"]["token"]
        return token

    def _start_apiserver(self) -> None:
        """Its port must be chosen beforehand, so another process may be quicker: then try the next."""
        for attempt in range(1, PORT_ATTEMPTS + 1):
            try:
                return self._start_apiserver_on(free_port())
            except _PortTaken:
                if attempt == PORT_ATTEMPTS:
                    raise
        return None

    def _start_apiserver_on(self, port: int) -> None:
        self.url = f"https://127.0.0.1:{port}"
        self._api = Api(self.url, self.ca_file, self._credentials.admin_token)
        self.kubeconfig = kubeconfig.write(self.folder / "kubeconfig", self._api, user=credentials.ADMIN)
        self._port = port
        self._apiserver_command = programs.apiserver(self.binaries.kube_apiserver, self.folder, self._credentials, port)
        started = self._run("kube-apiserver", self._apiserver_command)
        try:
            self._wait(self._api.answers, "kube-apiserver")
        except ProcessDied as e:
            if "address already in use" in started.tail(200):
                raise _PortTaken(f"Port {port} was taken by another process, {PORT_ATTEMPTS} ports in a row.") from e
            raise

    def _start_controllers(self) -> None:
        """They give up when the API server is not there within 10 s, so they start after it answers."""
        api = Api(self.url, self.ca_file, self._credentials.controllers_token)
        path = kubeconfig.write(self.folder / "controllers.kubeconfig", api, user=credentials.CONTROLLERS)
        self._run("kube-controller-manager", programs.controller_manager(self.binaries.kube_controller_manager, path))

    def _controllers_work(self) -> bool:
        """Seen by what one of them makes, without which no pod could be made."""
        return self.exists("/api/v1/namespaces/default/serviceaccounts/default")

    def _run(self, name: str, command: list[str]) -> Process:
        self._parts[name] = self._group.start(name, command, log=self.folder / f"{name}.log")
        return self._parts[name]

    def _wait(self, ready: Callable[[], bool], name: str) -> None:
        """Wait for one part, and notice at once if any has died."""
        until = time.monotonic() + READY_WITHIN
        while not ready():
            for part in self._parts.values():
                part.check()
            if time.monotonic() > until:
                tail = self._parts[name].tail()
                raise NotReady(f"{name} was not ready within {READY_WITHIN:.0f} s. Its last words:\n{tail}")
            time.sleep(0.03)


def free_port() -> int:
    """A port that nobody listens on at this moment, and that nobody is given who asks for any."""
    while True:
        port = _PORTS[next(_turns) % len(_PORTS)]
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port


@contextlib.contextmanager
def _frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
