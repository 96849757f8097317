"""What a kubelet would make of a Deployment's security, limits and probes, in podman's words.

Whatever it does not know it refuses, so that no restriction of the Deployment is left out unnoticed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.controlplane.container import CannotRun

Json = Mapping[str, Any]

UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "k": 10**3, "M": 10**6, "G": 10**9}
IGNORED = {"fsGroupChangePolicy"}  # how a kubelet hands over a volume that has files already


@dataclass(frozen=True, slots=True)
class Probe:
    """An HTTP probe, on the host's network."""

    url: str
    timeout: float


@dataclass(frozen=True, slots=True)
class Rules:
    """How the Deployment's only container must be run."""

    image: str
    user: int
    group: int
    volumes_group: int
    memory: int
    flags: tuple[str, ...]
    probes: Mapping[str, Probe]


def rules_of(deployment: Json) -> Rules:
    """Read them from the rendered Deployment. Raises CannotRun."""
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    context = {**pod.get("securityContext", {}), **container.get("securityContext", {})}
    user, group = context["runAsUser"], context["runAsGroup"]
    memory = quantity(container["resources"]["limits"]["memory"])
    return Rules(
        image=container["image"],
        user=user,
        group=group,
        volumes_group=context["fsGroup"],
        memory=memory,
        flags=(
            f"--user={user}:{group}",
            f"--group-add={context['fsGroup']}",
            # Without swap: a node of Kubernetes has none, or does not give it.
            *(f"--memory={memory}", f"--memory-swap={memory}"),
            *_security(context),
        ),
        probes={kind: _probe(container, container[kind]) for kind in ("livenessProbe", "readinessProbe")},
    )


def quantity(text: str) -> int:
    """Kubernetes' quantity of memory, in bytes."""
    unit = next((each for each in UNITS if text.endswith(each)), "")
    return int(text.removesuffix(unit)) * UNITS.get(unit, 1)


def _security(context: Json) -> list[str]:
    """The rest of the security context. podman's seccomp profile is what Kubernetes calls RuntimeDefault."""
    left = dict(context)
    for name in ("runAsUser", "runAsGroup", "fsGroup", *IGNORED):
        left.pop(name, None)
    flags = []
    if left.pop("runAsNonRoot", False) and context["runAsUser"] == 0:
        raise CannotRun("The pod must not run as root, and its user is 0.")
    if left.pop("allowPrivilegeEscalation", True) is False:
        flags.append("--security-opt=no-new-privileges")
    if left.pop("readOnlyRootFilesystem", False):
        flags += ["--read-only", "--read-only-tmpfs=false"]  # podman would add folders that can be written to
    capabilities = left.pop("capabilities", {})
    flags += [f"--cap-drop={each}" for each in capabilities.get("drop", ())]
    if "add" in capabilities:
        left["capabilities.add"] = capabilities["add"]
    if left.pop("seccompProfile", None) != {"type": "RuntimeDefault"}:
        flags.append("--security-opt=seccomp=unconfined")
    if left:
        raise CannotRun(f"The security context says {', '.join(left)}, which these tests cannot carry over to podman.")
    return flags


def _probe(container: Json, probe: Json) -> Probe:
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", []) if "name" in port}
    asked = probe["httpGet"]
    port = ports.get(asked["port"], asked["port"])
    return Probe(f"http://127.0.0.1:{port}{asked['path']}", float(probe.get("timeoutSeconds", 1)))
