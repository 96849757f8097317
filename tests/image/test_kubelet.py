"""How a Deployment is read: each restriction becomes podman's, and what is not known is refused."""

import pytest

from tests.controlplane.container import CannotRun
from tests.image.kubelet import quantity, rules_of

PROBE = {"httpGet": {"path": "/healthz", "port": "http"}, "timeoutSeconds": 3}


def deployment(pod=None, container=None):
    security = {"runAsUser": 7, "runAsGroup": 8, "fsGroup": 9, "seccompProfile": {"type": "RuntimeDefault"}}
    only = {
        "image": "keyferry:1",
        "ports": [{"name": "http", "containerPort": 8080}],
        "livenessProbe": PROBE,
        "readinessProbe": PROBE,
        "resources": {"limits": {"memory": "1Gi"}},
        "securityContext": container or {},
    }
    template = {"spec": {"securityContext": security | (pod or {}), "containers": [only]}}
    return {"spec": {"template": template}}


@pytest.mark.parametrize(
    ("security", "flag"),
    [
        ({"readOnlyRootFilesystem": True}, "--read-only"),
        ({"allowPrivilegeEscalation": False}, "--security-opt=no-new-privileges"),
        ({"capabilities": {"drop": ["ALL"]}}, "--cap-drop=ALL"),
        ({"runAsUser": 70}, "--user=70:8"),
    ],
    ids=["root", "privileges", "capabilities", "user"],
)
def test_what_the_container_says_is_carried_over(security, flag):
    assert flag not in rules_of(deployment()).flags
    assert flag in rules_of(deployment(container=security)).flags


def test_without_a_seccomp_profile_there_is_none():
    assert "--security-opt=seccomp=unconfined" in rules_of(deployment(pod={"seccompProfile": None})).flags


def test_memory_and_probes_are_read():
    rules = rules_of(deployment())
    assert rules.memory == 1 << 30
    assert rules.probes["livenessProbe"].url == "http://127.0.0.1:8080/healthz"
    assert rules.probes["livenessProbe"].timeout == 3.0


@pytest.mark.parametrize(
    "security", [{"procMount": "Unmasked"}, {"privileged": False}, {"capabilities": {"add": ["NET_RAW"]}}], ids=str
)
def test_what_is_not_known_is_refused(security):
    with pytest.raises(CannotRun):
        rules_of(deployment(container=security))


def test_a_root_that_must_not_be_is_refused():
    with pytest.raises(CannotRun, match="root"):
        rules_of(deployment(pod={"runAsNonRoot": True, "runAsUser": 0}))


@pytest.mark.parametrize(("text", "number"), [("512Mi", 512 << 20), ("1G", 10**9), ("77", 77)], ids=str)
def test_quantities_are_bytes(text, number):
    assert quantity(text) == number
