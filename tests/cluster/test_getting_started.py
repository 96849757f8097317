"""The page Getting started, followed: its shell blocks are run as they stand, one after another."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import argo, kstatus
from tests.cluster.manifests import external_secret
from tests.cluster.mode import Lacks, cluster_mode_only
from tests.cluster.world import World
from tests.controlplane.deployment import search_path

pytest_plugins = ["tests.cluster.fixtures"]

pytestmark = cluster_mode_only(Lacks.NEW_NAMESPACES)  # the page makes one

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "getting-started.md").read_text()
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WITHIN = 60.0
SOON = 20.0  # the page's interval is 10 s

# There is no kubelet, so `kubectl exec deploy/… -- program` runs the program here, under the operator's own rights.
KUBECTL = """#!{python}
import os, sys
words = sys.argv[1:]
if words[0] == "exec":
    os.execvpe("keyferry", words[words.index("--") + 1 :], {{**os.environ, "KUBECONFIG": {operator!r}}})
os.execv({kubectl!r}, [{kubectl!r}, "--cache-dir={cache}", *words])
"""


@dataclass
class Reader:
    """Somebody who reads the page, and types what it says into a shell."""

    world: World
    namespace: str
    programs: Path

    def own(self, script: str) -> str:
        """The page's words with the test's own namespace."""
        return re.sub(r"\bpayments\b", self.namespace, script)

    def types(self, script: str) -> str:
        """What the shell prints."""
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", self.own(script)],
            env={
                "PATH": f"{self.programs}{os.pathsep}{search_path()}",
                "HOME": str(self.programs),
                "KUBECONFIG": str(self.world.plane.kubeconfig),
                "KEYFERRY_DATA_DIR": str(self.world.data_dir),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=WITHIN,
        )
        assert done.returncode == 0, f"{script}\n{done.stderr}"
        return done.stdout

    def password(self) -> bytes:
        return (self.world.secret(self.namespace, "db") or {}).get("password", b"")

    def sees(self, password: bytes) -> None:
        self.world.eventually(lambda: self.password() == password, within=SOON, what=f"the password {password!r}")


def step(number: int) -> list[str]:
    """The shell blocks of one step of the page."""
    part = re.split(r"^## ", PAGE, flags=re.MULTILINE)[number]
    assert part.startswith(f"{number}. ")
    return BLOCK.findall(part)


@pytest.fixture(scope="module")
def reader(world: World, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """One who has installed the operator (step 1), and follows the steps 2 to 4."""
    programs = tmp_path_factory.mktemp("programs")
    pod, plane = world.operator.pod, world.plane
    operator = plane.service_account_kubeconfig(pod.namespace, pod.service_account, programs)
    kubectl = programs / "kubectl"
    made = {"operator": str(operator), "kubectl": str(plane.binaries.kubectl), "cache": str(programs / "cache")}
    kubectl.write_text(KUBECTL.format(python=sys.executable, **made))
    kubectl.chmod(0o755)
    found = Reader(world, f"{pod.namespace}-reader", programs)
    world.namespaces.append(found.namespace)
    for script in step(2) + step(3):
        found.types(script)
    (asking,) = step(4)
    assert found.types(asking).endswith("first")
    return found


def put(password: str) -> str:
    (script,) = step(3)
    return script.replace('"first"', f'"{password}"')


def test_a_new_value_arrives(reader):
    reader.types(put("second"))
    reader.sees(b"second")


def test_what_is_deleted_or_edited_by_hand_comes_back(reader):
    rows = re.findall(r"^\| `(kubectl [^`]+)` \| (?:it is back|so is)", PAGE, re.MULTILINE)
    assert len(rows) == 2
    before = reader.password()
    for row in rows:
        reader.types(row)
        reader.sees(before)


def test_a_property_that_is_not_there_is_told_and_the_secret_stays(reader):
    (asking,) = step(4)
    asking = asking.partition("kubectl wait")[0]
    before = reader.password()
    reader.types(asking.replace("property: password", "property: passwort"))
    reader.world.await_ready(reader.namespace, "db", "RemoteSecretMissing", telling="passwort")
    assert reader.password() == before
    (look,) = re.findall(r"`(kubectl get kes db [^`]+)`", PAGE)
    assert "passwort" in reader.types(look)
    reader.types(asking)
    reader.world.await_ready(reader.namespace, "db")


def test_what_there_is_to_look_at_can_be_looked_at(reader):
    (script,) = BLOCK.findall(PAGE.partition("## What to look at\n")[2].partition("\n## ")[0])
    assert "Synced" in reader.types(script)


def test_nothing_differs_from_what_was_applied_so_that_git_and_cluster_agree(reader):
    """Of what the page applied: no field of the spec, no finalizer and no label or annotation was added."""
    applied = [
        yaml.safe_load(text)
        for number in (2, 4)
        for text in re.findall(r"<<'END'\n(.*?)^END$", reader.own("".join(step(number))), re.MULTILINE | re.DOTALL)
    ]
    assert [each["kind"] for each in applied] == ["SecretStore", "ExternalSecret"]
    for manifest in applied:
        live = reader.world.get(manifest["kind"], reader.namespace, manifest["metadata"]["name"])
        assert live
        assert live["spec"] == manifest["spec"]
        assert live["metadata"].keys() & {"finalizers", "labels", "ownerReferences"} == set()
        assert set(live["metadata"]["annotations"]) == {"kubectl.kubernetes.io/last-applied-configuration"}


CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "in sync": ({}, "Synced", "Healthy"),
    "may heal": ({"keys": {"value": "nowhere"}}, "RemoteSecretMissing", "Progressing"),
    "only an edit heals it": ({"store": "nowhere"}, "StoreNotFound", "Degraded"),
    "suspended before anybody looked": ({"suspend": True}, "Suspended", "Progressing"),
}


@pytest.mark.parametrize("case", CASES)
def test_argo_cd_and_flux_read_what_the_operator_wrote_alike(reader, case):
    spec, reason, word = CASES[case]
    name = case.replace(" ", "-")
    given: dict[str, Any] = {"store": "team", "kind": "SecretStore", "keys": {"value": "db"}, **spec}
    reader.world.apply(external_secret(reader.namespace, name, **given))
    reader.world.eventually(
        lambda: reader.world.ready(reader.namespace, name).reason == reason, within=SOON, what=f"{name} to say {reason}"
    )
    live = reader.world.get("ExternalSecret", reader.namespace, name)
    assert live
    assert argo.health(live)[0] == word == argo.WORDS[kstatus.computed(live)]


def test_argo_cd_and_flux_find_the_store_well(reader):
    live = reader.world.get("SecretStore", reader.namespace, "team")
    assert live
    assert argo.health(live) == ("Healthy", "Ready")
    assert kstatus.computed(live) == "Current"


def test_secrets_can_be_kept_when_everything_else_goes(reader):
    """By the command of Operations, here in one namespace."""
    (line,) = re.findall(
        r"^kubectl delete externalsecrets\.keyferry\.dev .*$", (DOCS / "operations.md").read_text(), re.MULTILINE
    )
    before = reader.password()
    reader.world.operator.stop()  # it is uninstalled before
    reader.types(line.replace("--all-namespaces", f"--namespace {reader.namespace}"))
    assert reader.world.listed("ExternalSecret", reader.namespace) == []
    kept = reader.world.get("Secret", reader.namespace, "db")
    assert kept
    assert "ownerReferences" not in kept["metadata"]
    assert reader.password() == before
