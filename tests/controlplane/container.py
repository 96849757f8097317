"""What a kubelet would make of a Deployment's container: its command, its environment, its folders."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]
ReadKey = Callable[[str, str, str], str]
"""Reads one key of a Secret or ConfigMap: (kind, name, key)."""


class CannotRun(Exception):
    """The Deployment asks for something that a process on this machine cannot be given; the text says what."""


@dataclass(frozen=True, slots=True)
class Pod:
    """Who the pod would be, for the downward API."""

    namespace: str
    name: str
    service_account: str
    node: str = "local"

    def field(self, path: str) -> str:
        """The value of a fieldRef."""
        known = {
            "metadata.namespace": self.namespace,
            "metadata.name": self.name,
            "spec.nodeName": self.node,
            "spec.serviceAccountName": self.service_account,
            "status.podIP": "127.0.0.1",
            "status.hostIP": "127.0.0.1",
        }
        if path not in known:
            raise CannotRun(f"fieldRef {path} has no meaning without a kubelet; known are {', '.join(known)}.")
        return known[path]


@dataclass(frozen=True, slots=True)
class Container:
    """All that decides how the process starts."""

    command: tuple[str, ...]
    environment: dict[str, str]
    folders: tuple[str, ...]
    readiness_path: str
    readiness_port: int
    grace: float


def container_of(deployment: Json, pod: Pod, read_key: ReadKey) -> Container:
    """Resolve the Deployment's only container."""
    template = deployment["spec"]["template"]["spec"]
    (container,) = template["containers"]
    if not container.get("command"):
        raise CannotRun("The container names no command: only its image knows what would run.")
    environment: dict[str, str] = {}
    for entry in container.get("env", []):
        environment[entry["name"]] = _value(entry, environment, pod, read_key)
    words = [*container["command"], *container.get("args", [])]
    path, port = _readiness(container)
    return Container(
        command=tuple(expanded(word, environment) for word in words),
        environment=environment,
        folders=_folders(template, container),
        readiness_path=path,
        readiness_port=port,
        grace=float(template.get("terminationGracePeriodSeconds", 30)),
    )


def expanded(text: str, environment: Mapping[str, str]) -> str:
    """Kubernetes' own substitution: $(NAME) if the name is known, $$(NAME) for a literal one."""

    def value(match: re.Match[str]) -> str:
        if match[0].startswith("$$"):
            return match[0][1:]
        return environment.get(match[1], match[0])

    return re.sub(r"\$?\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)", value, text)


def _value(entry: Json, earlier: Mapping[str, str], pod: Pod, read_key: ReadKey) -> str:
    source = entry.get("valueFrom")
    if source is None:
        return expanded(str(entry.get("value", "")), earlier)
    if "fieldRef" in source:
        return pod.field(source["fieldRef"]["fieldPath"])
    for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
        if field in source:
            return read_key(kind, source[field]["name"], source[field]["key"])
    raise CannotRun(f"Environment variable {entry['name']}: a value from {', '.join(source)} needs a kubelet.")


def _folders(template: Json, container: Json) -> tuple[str, ...]:
    """Where the container has writable volumes. Other kinds of volume would bring contents that nobody put there."""
    volumes = {volume["name"]: volume for volume in template.get("volumes", [])}
    for mount in container.get("volumeMounts", []):
        volume = volumes[mount["name"]]
        if not {"emptyDir", "persistentVolumeClaim"} & set(volume):
            raise CannotRun(f"Volume {mount['name']} at {mount['mountPath']} is neither emptyDir nor a claim.")
    return tuple(mount["mountPath"] for mount in container.get("volumeMounts", []))


def _readiness(container: Json) -> tuple[str, int]:
    probe = container["readinessProbe"]["httpGet"]
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", []) if "name" in port}
    return probe["path"], int(ports.get(probe["port"], probe["port"]))
