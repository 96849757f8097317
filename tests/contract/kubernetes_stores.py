"""Stores on a real API server, and readers with just the rights that a test gives them."""

import base64
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from keyferry.api.providers.kubernetes import Kubernetes
from keyferry.backends.kubernetes import KubernetesBackend, create
from keyferry.values import ApiServer
from tests.contract.context import SeededCluster, context
from tests.controlplane import ControlPlane

EVERYTHING = ("get", "list", "watch", "create", "patch", "delete")
LOGIN = "kubernetes-login"  # the Secret that holds the token
TOKEN = {"method": "Token", "secretRef": {"name": LOGIN, "key": "token"}}
WITHIN = 30.0
# What lets the operator ask for its tokens for this cluster's API server.
CONSENTING = {"name": "reader", "annotations": {"keyferry.dev/allow-tokens-for": "https://kubernetes.default.svc"}}


@dataclass
class Reader:
    """A namespace of a control plane, and a ServiceAccount `reader` that may do there what `allow` says."""

    plane: ControlPlane
    namespace: str = field(default_factory=lambda: f"source-{uuid.uuid4().hex[:8]}")
    home: str = ""  # where the ServiceAccount is; by default in that namespace, too
    token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        self.home = self.home or self.namespace

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{self.home}:reader"

    @property
    def port(self) -> int:
        return urlsplit(self.plane.url).port or 0

    def make(self, *verbs: str) -> "Reader":
        """Make all of it, and return when the rights hold."""
        self.plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        accounts = f"/api/v1/namespaces/{self.home}/serviceaccounts"
        self.plane.request("POST", accounts, {"metadata": CONSENTING})
        subject = {"kind": "ServiceAccount", "name": "reader", "namespace": self.home}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
        self._rbac("POST", "roles", {"metadata": {"name": "reader"}, "rules": []})
        self._rbac("POST", "rolebindings", {"metadata": {"name": "reader"}, "roleRef": role, "subjects": [subject]})
        self.allow(*verbs or EVERYTHING)
        made = self.plane.request("POST", f"{accounts}/reader/token", {"spec": {}})
        self.token = made["status"]["token"]
        return self

    def allow(self, *verbs: str, names: Iterable[str] = ()) -> None:
        """Allow just this, and return when the API server goes by it."""
        rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": list(verbs)}
        named = list(names)
        rules = [rule | ({"resourceNames": named} if named else {})] if verbs else []
        self._rbac("PUT", "roles/reader", {"metadata": {"name": "reader"}, "rules": rules})
        if not named:
            for verb in EVERYTHING:
                self.await_right(verb, verb in verbs)

    def await_right(self, verb: str, allowed: bool, name: str = "") -> None:  # noqa: FBT001 - a finding
        self.eventually(lambda: self.may(verb, name) is allowed)

    def may(self, verb: str, name: str = "") -> bool:
        attributes = {"namespace": self.namespace, "verb": verb, "resource": "secrets", "name": name}
        body = {"spec": {"user": self.user, "resourceAttributes": attributes}}
        at = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return bool(self.plane.request("POST", at, body)["status"]["allowed"])

    def eventually(self, check: Callable[[], bool]) -> None:
        until = time.monotonic() + WITHIN
        while not check():
            assert time.monotonic() < until
            time.sleep(0.01)

    def write(self, name: str, data: Mapping[str, bytes], labels: Mapping[str, str] | None = None) -> str:
        """Create the Secret, or give it other content and labels; its version."""
        coded = {key: base64.b64encode(each).decode() for key, each in data.items()}
        body = {"metadata": {"name": name, "labels": dict(labels or {})}, "data": coded}
        there = self.plane.exists(at := self._at(f"secrets/{name}"))
        made = self.plane.request("PUT" if there else "POST", at if there else self._at("secrets"), body)
        return str(made["metadata"]["resourceVersion"])

    def delete(self, name: str) -> None:
        self.plane.request("DELETE", self._at(f"secrets/{name}"))

    def end(self) -> None:
        self.plane.request("DELETE", f"/api/v1/namespaces/{self.namespace}")

    def _at(self, what: str) -> str:
        return f"/api/v1/namespaces/{self.namespace}/{what}"

    def _rbac(self, method: str, what: str, body: Any) -> None:
        self.plane.request(method, f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.namespace}/{what}", body)


def store(reader: Reader, *, token: str = "", port: int = 0, **surroundings: Any) -> KubernetesBackend:
    """A store that reads the reader's namespace by its token. `surroundings`: as for `context`."""
    url = f"https://127.0.0.1:{port or reader.port}"
    secrets = {LOGIN: {"token": (token or reader.token).encode()}}
    cluster = SeededCluster(secrets, server=ApiServer(url, reader.plane.ca_file.read_bytes()))
    surroundings.setdefault("cluster", cluster)
    spec = {"remoteNamespace": reader.namespace, "auth": TOKEN}
    return create(Kubernetes.model_validate(spec), context(**surroundings))
