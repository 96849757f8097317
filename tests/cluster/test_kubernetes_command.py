"""`keyferry check` and `keyferry secret` with Secrets of another namespace, as a person runs them."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.manifests import secret_store
from tests.cluster.world import Manifest, applied_at
from tests.contract.kubernetes_stores import EVERYTHING, Reader
from tests.controlplane import ControlPlane

CANARY = "canary-6e1f"
APPLY = "application/apply-patch+yaml"


@dataclass(slots=True)
class Person:
    """Somebody with a kubeconfig, and a namespace with a store that reads from another."""

    plane: ControlPlane
    source: Reader
    folder: Path
    labels: dict[str, str] | None = None  # of the Secret that was last looked at

    def run(self, *words: str, stdin: str = "", code: int = 0) -> str:
        """What the command prints; no value is in it."""
        done = subprocess.run(
            [sys.executable, "-m", "keyferry", *words],
            input=stdin,
            env={**os.environ, "KUBECONFIG": str(self.plane.kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        assert CANARY not in said
        assert self.source.token not in said
        return said

    def secret(self, *words: str, **more: Any) -> str:
        return self.run("secret", *words, "--store", "own", "--namespace", self.source.home, **more)

    def store(self, **spec: Any) -> Manifest:
        auth = {"method": "ServiceAccount", "serviceAccountRef": {"name": "reader"}}
        provider = {"kubernetes": {"remoteNamespace": self.source.namespace, "auth": auth}}
        return secret_store(self.source.home, "own", provider, **spec)

    def apply(self, manifest: Manifest) -> None:
        self.plane.request("PATCH", applied_at(manifest), manifest, APPLY)

    def held(self, name: str) -> dict[str, bytes]:
        at = f"/api/v1/namespaces/{self.source.namespace}/secrets/{name}"
        found = self.plane.request("GET", at)
        self.labels = found["metadata"].get("labels")
        return {key: base64.b64decode(each) for key, each in found["data"].items()}


@pytest.fixture
def person(plane: ControlPlane, crds: None, namespace: str, tmp_path: Path) -> Iterator[Person]:
    source = Reader(plane, home=namespace).make(*EVERYTHING)
    yield Person(plane, source, tmp_path)
    source.end()


def test_a_store_is_checked_before_it_is_applied(person):
    person.source.write("db", {"password": CANARY.encode()})
    file = person.folder / "store.yaml"
    file.write_text(json.dumps(person.store()))
    said = person.run("check", "-f", str(file))
    assert "login     accepted" in said
    assert "offers    1 secret" in said

    person.source.allow("get", "list")
    said = person.run("check", "-f", str(file))
    assert f"lacking   watch on secrets in namespace {person.source.namespace}" in said

    at = f"/api/v1/namespaces/{person.source.home}/serviceaccounts/reader"
    person.plane.request("DELETE", at)
    said = person.run("check", "-f", str(file), code=1)
    assert f"ServiceAccount {person.source.home}/reader is not there" in said


def test_a_secret_is_put_changed_listed_and_deleted(person):
    person.apply(person.store(prefix="acme-", defaultTags={"tier": "web"}))
    bytes_ = {"base64": base64.b64encode(b"\xff\x00").decode()}
    person.secret("put", "db", stdin=json.dumps({"password": CANARY, "key": bytes_}))
    assert person.held("acme-db") == {"password": CANARY.encode(), "key": b"\xff\x00"}
    assert person.labels == {"managed-by": "keyferry", "tier": "web"}

    said = person.secret("put", "db", "--yes", stdin=json.dumps({"password": CANARY + "2", "more": "m"}))
    assert person.held("acme-db") == {"password": f"{CANARY}2".encode(), "more": b"m"}
    assert "- key" in said
    assert "~ password" in said

    assert "db" in person.secret("list")
    person.secret("delete", "db", "--yes")
    assert not person.plane.exists(f"/api/v1/namespaces/{person.source.namespace}/secrets/acme-db")


def test_what_cannot_be_is_refused_before_anything_is_written(person):
    person.apply(person.store())
    assert "no Secret of Kubernetes can be named" in person.secret("put", "a/b", stdin='{"a": "b"}', code=1)
    assert "cannot be a label" in person.secret("put", "db", "--tag", "a=b c", stdin='{"a": "b"}', code=1)
    assert "a Secret is a map" in person.secret("put", "db", stdin=CANARY, code=1)
    at = f"/api/v1/namespaces/{person.source.namespace}/secrets"
    assert person.plane.request("GET", at)["items"] == []
