import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.controlplane import Binaries, ControlPlane
from tests.controlplane import plane as plane_module
from tests.controlplane.api import RequestFailed
from tests.controlplane.plane import KubectlFailed
from tests.controlplane.processes import ProcessDied

GONE_WITHIN = 30.0

OWNER = """
import sys
from tests.controlplane import ControlPlane
with ControlPlane() as plane:
    print(plane.folder, flush=True)
    sys.stdin.read()
"""


def processes_naming(folder: Path) -> list[str]:
    """The command lines of this machine's processes that mention the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(folder) in command:
            found.append(command)
    return found


def await_gone(folder: Path) -> None:
    """Fail, saying what is left, unless every process and file of a control plane goes."""
    until = time.monotonic() + GONE_WITHIN
    while (left := processes_naming(folder)) or folder.exists():
        assert time.monotonic() < until, f"still there: {left}, {folder if folder.exists() else 'no folder'}"
        time.sleep(0.05)


@contextmanager
def another_process_with_a_plane() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    command = [sys.executable, "-c", OWNER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        try:
            yield owner, Path(owner.stdout.readline().strip())
        finally:
            owner.kill()


def test_of_two_at_once_neither_knows_the_other_and_nothing_is_left_of_the_one_that_stops(plane, namespace):
    with ControlPlane() as other:
        folder = other.folder
        assert len(processes_naming(folder)) == 4  # the three programs and their guard
        assert not other.exists(f"/api/v1/namespaces/{namespace}")

    assert processes_naming(folder) == []
    assert not folder.exists()
    assert plane.exists(f"/api/v1/namespaces/{namespace}")


def test_nothing_is_left_when_its_owner_is_killed(plane):
    with another_process_with_a_plane() as (owner, folder):
        assert len(processes_naming(folder)) == 4
        owner.kill()
        owner.wait(GONE_WITHIN)

        await_gone(folder)


def test_a_port_that_another_took_meanwhile_costs_one_more_attempt(monkeypatch, plane):
    with socket.create_server(("127.0.0.1", 0)) as quicker:
        ports = iter([quicker.getsockname()[1], plane_module.free_port()])
        monkeypatch.setattr(plane_module, "free_port", lambda: next(ports))
        with ControlPlane() as other:
            assert other.request("GET", "/api")["kind"] == "APIVersions"


def test_a_part_that_dies_at_the_start_is_an_error_with_its_last_words(plane, tmp_path):
    broken = tmp_path / "etcd"
    broken.write_text("#!/bin/sh\necho the disk is full\nexit 3\n")
    broken.chmod(0o755)
    real = plane.binaries
    parts = Binaries(broken, real.kube_apiserver, real.kube_controller_manager, real.kubectl, real.helm)
    other = ControlPlane(parts)

    with pytest.raises(ProcessDied, match=r"etcd ended with code 3(.|\n)*the disk is full"):
        other.start()

    assert processes_naming(other.folder) == []
    assert not other.folder.exists()


def test_only_its_owner_may_read_what_it_writes(plane):
    assert plane.folder.stat().st_mode & 0o777 == 0o700
    assert plane.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_an_object_goes_with_its_owner(plane, namespace, crds):
    stores = f"/apis/keyferry.dev/v1alpha1/namespaces/{namespace}/externalsecrets"
    spec = {"secretStoreRef": {"name": "any"}, "data": [{"secretKey": "a", "remoteRef": {"key": "a"}}]}
    named = {"apiVersion": "keyferry.dev/v1alpha1", "kind": "ExternalSecret", "metadata": {"name": "owner"}}
    owner = plane.request("POST", stores, named | {"spec": spec})
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": "owner"}
    metadata = {"name": "owned", "ownerReferences": [reference | {"uid": owner["metadata"]["uid"]}]}
    plane.request("POST", f"/api/v1/namespaces/{namespace}/secrets", {"metadata": metadata})

    plane.request("DELETE", f"{stores}/owner")

    plane.kubectl("--namespace", namespace, "wait", "--for=delete", "secret/owned", "--timeout=25s")


def test_a_service_accounts_token_has_its_rights_and_no_others(plane, namespace, tmp_path):
    # Kubernetes makes a namespace's default account a moment after the namespace.
    plane.kubectl("--namespace", namespace, "wait", "--for=create", "serviceaccount/default", "--timeout=25s")
    config = plane.service_account_kubeconfig(namespace, "default", tmp_path)

    who = json.loads(plane.kubectl(f"--kubeconfig={config}", "auth", "whoami", "--output=json"))

    assert who["status"]["userInfo"]["username"] == f"system:serviceaccount:{namespace}:default"
    assert config.stat().st_mode & 0o777 == 0o600
    with pytest.raises(KubectlFailed, match="Forbidden"):
        plane.kubectl(f"--kubeconfig={config}", "get", "secrets")


def test_the_audit_log_tells_who_did_what(plane, namespace):
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    plane.request("POST", path, {"metadata": {"name": "noted"}})
    with pytest.raises(RequestFailed):
        plane.request("GET", f"{path}/absent")

    told = [
        (e.user, e.verb, e.name, e.code)
        for e in plane.audit()
        if (e.resource, e.namespace) == ("configmaps", namespace)
    ]

    assert told == [("admin", "create", "noted", 201), ("admin", "get", "absent", 404)]


def test_the_audit_log_counts_a_watch_once(plane, namespace):
    watch = f"/api/v1/namespaces/{namespace}/configmaps?watch=true&timeoutSeconds=1"

    plane.kubectl("get", "--raw", watch)

    assert [(e.verb, e.resource, e.code) for e in plane.audit() if e.namespace == namespace] == [
        ("watch", "configmaps", 200)
    ]


STAND_IN = """
import http.server, json, os, sys
print(json.dumps({"arguments": sys.argv[1:], "environment": dict(os.environ)}), flush=True)
port = int(next(a for a in sys.argv if a.startswith("--listen=")).rsplit(":", 1)[1])
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", port), Health).serve_forever()
"""


@pytest.fixture
def stand_in(tmp_path):
    """A command in the operator's place that tells how it was started."""
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    return ["python", str(tmp_path / "stand_in.py")]


def test_a_deployment_runs_with_its_arguments_its_environment_and_nothing_else(deploy, stand_in, monkeypatch, tmp_path):
    monkeypatch.setenv("OF_THE_TESTS", "not the operator's")
    operator = deploy({"extraEnv": [{"name": "GREETING", "value": "hello from $(POD_NAMESPACE)"}]}, stand_in)
    operator.start()
    operator.wait_ready()

    told = json.loads(operator.log.splitlines()[0])

    assert told["arguments"][0] == "run"
    assert f"--data-dir={tmp_path}" in told["arguments"]
    assert set(told["environment"]) - {"LC_CTYPE"} == {
        "POD_NAMESPACE",
        "KEYFERRY_DATA_DIR",
        "MALLOC_ARENA_MAX",
        "MALLOC_MMAP_THRESHOLD_",
        "MALLOC_TRIM_THRESHOLD_",
        "POD_NAME",
        "GREETING",
        "PATH",
        "HOME",
        "KUBECONFIG",
    }
    assert told["environment"]["GREETING"] == f"hello from {operator.pod.namespace}"


def test_a_deployment_runs_under_the_rights_of_its_service_account(plane, deploy, stand_in):
    operator = deploy(command=stand_in)
    operator.start()
    operator.wait_ready()
    config = json.loads(operator.log.splitlines()[0])["environment"]["KUBECONFIG"]

    who = json.loads(plane.kubectl(f"--kubeconfig={config}", "auth", "whoami", "--output=json"))

    assert who["status"]["userInfo"]["username"] == operator.user
    plane.kubectl(f"--kubeconfig={config}", "get", "secrets", "--all-namespaces")
    with pytest.raises(KubectlFailed, match="Forbidden"):
        plane.kubectl(f"--kubeconfig={config}", "get", "configmaps")


def test_a_deployment_reads_the_keys_of_secrets_that_its_environment_names(plane, deploy, namespace, stand_in):
    plane.kubectl("-n", namespace, "create", "secret", "generic", "login", "--from-literal=user=ada")
    named = {"name": "LOGIN", "valueFrom": {"secretKeyRef": {"name": "login", "key": "user"}}}
    operator = deploy({"extraEnv": [named]}, stand_in)
    operator.start()
    operator.wait_ready()

    assert json.loads(operator.log.splitlines()[0])["environment"]["LOGIN"] == "ada"


def test_an_operator_that_ends_at_its_start_is_an_error_with_its_last_words(deploy):
    operator = deploy(command=["sh", "-c", "echo no such store; exit 4"])
    operator.start()

    with pytest.raises(ProcessDied, match=r"ended with code 4(.|\n)*no such store"):
        operator.wait_ready()


def test_an_operator_that_is_stopped_or_killed_can_be_started_again(deploy, stand_in):
    operator = deploy(command=stand_in)

    for end, code in ((operator.stop, -signal.SIGTERM), (operator.kill, -signal.SIGKILL)):
        operator.start()
        operator.wait_ready()
        assert end() == code
        assert not operator.ready()

    assert len(operator.log.splitlines()) >= 2


def test_an_operator_that_ignores_sigterm_is_killed_after_its_grace_period(deploy):
    deaf = "trap '' TERM; echo deaf; while true; do sleep 0.1; done"
    operator = deploy({"terminationGracePeriodSeconds": 1}, ["sh", "-c", deaf])
    operator.start()
    while "deaf" not in operator.log:
        assert operator.running

    assert operator.stop() == -signal.SIGKILL
