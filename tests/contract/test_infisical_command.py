"""`keyferry secret` and `keyferry check` on the Infisical stand-in."""

import base64
import json
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from typer.testing import CliRunner, Result

from keyferry.cli import commands
from keyferry.cli.stores import Surroundings
from keyferry.kube.client import Json, Kube
from tests.contract.infisical_stores import CA, LOGIN, client
from tests.standins.infisical import InfisicalStandIn
from tests.unit.cli.conftest import FakeKube, apart

NAMESPACE = "payments"


class Command:
    """The command as an administrator runs it over a ClusterSecretStore."""

    def __init__(self, infisical: InfisicalStandIn, **spec: Any) -> None:
        self.kube = FakeKube({f"/api/v1/namespaces/{NAMESPACE}": {"metadata": {"name": NAMESPACE}}})
        self._secret(LOGIN, **client(infisical))
        self._secret(CA, **{"ca.crt": infisical.ca.decode()})
        ref = {"name": LOGIN, "key": "clientSecret", "namespace": NAMESPACE}
        provider = {
            "siteUrl": infisical.url,
            "project": "shop",
            "environment": "prod",
            "caProvider": {"type": "Secret", "name": CA, "key": "ca.crt", "namespace": NAMESPACE},
            "auth": {"method": "UniversalAuth", "secretRef": ref},
        }
        self.spec = {"provider": {"infisical": provider}, "prefix": "acme", **spec}
        self.kube.objects["/apis/keyferry.dev/v1alpha1/clustersecretstores/infisical"] = {"spec": self.spec}

    def _secret(self, name: str, **data: str) -> None:
        coded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
        found: Json = {"metadata": {"namespace": NAMESPACE, "name": name, "resourceVersion": "1"}, "data": coded}
        self.kube.objects[f"/api/v1/namespaces/{NAMESPACE}/secrets/{name}"] = found

    def run(self, *words: str, value: str = "") -> Result:
        arguments = ["secret", *words, "--cluster-store", "infisical", "--namespace", NAMESPACE]
        return self.called(*arguments, value=value)

    def called(self, *arguments: str, value: str = "") -> Result:
        """The whole program, as its console script calls it."""

        async def connect() -> Kube:
            return cast("Kube", self.kube)

        around = Surroundings(connect, lambda: "")
        return apart(lambda: CliRunner().invoke(commands(), [*arguments], input=value.encode(), obj=around))

    def done(self, *words: str, value: str = "") -> str:
        result = self.run(*words, value=value)
        assert result.exit_code == 0, result.output
        return result.stdout


@pytest.mark.parametrize("by", ["Paths", "Tags"])
def test_a_secret_is_put_listed_and_deleted(infisical: InfisicalStandIn, by: str):
    command = Command(infisical, mapping={"by": by}, defaultTags={"owner": "keyferry"})
    told = command.done("put", "db", "--tag", "tier=web", value="canary")
    assert f"db: written as acme/{NAMESPACE}/db, version 1@" in told
    assert "canary" not in told
    held = infisical.project.folder("prod", f"/acme/{NAMESPACE}")["db"]
    assert held.versions[-1].value == "canary"
    marks = {"prefix": "acme", "namespace": NAMESPACE, "key": "db"} if by == "Tags" else {}
    owned = {"managed-by": "keyferry", "owner": "keyferry", **marks}
    assert {each["key"]: each["value"] for each in held.versions[-1].metadata} == {"tier": "web", **owned}

    command.done("put", "db", "--tag", "tier-", value='{"password": "another"}')
    (row,) = json.loads(command.done("list", "-o", "json"))
    assert (row["key"], row["version"][:2], row["tags"]) == ("db", "2@", owned)

    assert f"db: acme/{NAMESPACE}/db is deleted" in command.done("delete", "db", "--yes")
    assert infisical.project.folder("prod", f"/acme/{NAMESPACE}") == {}
    assert "cannot be restored" in " ".join(command.run("restore", "db").stderr.split())


def test_what_others_made_is_asked_about(infisical: InfisicalStandIn):
    infisical.put(f"acme/{NAMESPACE}/db", "theirs")
    command = Command(infisical, mapping={"by": "Paths"})
    assert "say --yes to overwrite it" in command.run("put", "db", value="ours").stderr
    command.done("put", "db", "--yes", value="ours")


def test_a_value_that_cannot_be_kept_is_refused_and_not_shown(infisical: InfisicalStandIn):
    result = Command(infisical, mapping={"by": "Paths"}).run("put", "db", value=" canary ")
    assert result.exit_code == 1
    assert "Infisical cuts off space" in " ".join(result.stderr.split())
    assert "canary" not in result.output


def test_a_store_is_checked_before_it_is_applied(infisical: InfisicalStandIn, tmp_path: Path):
    infisical.put(f"acme/{NAMESPACE}/db", "canary")
    infisical.put(f"acme/{NAMESPACE}/api", "canary")
    infisical.deny("readValue", key="api")
    command = Command(infisical, mapping={"by": "Paths"})
    manifest = {"apiVersion": "keyferry.dev/v1alpha1", "kind": "ClusterSecretStore", "metadata": {"name": "new"}}
    file = tmp_path / "store.yaml"
    file.write_text(yaml.safe_dump({**manifest, "spec": command.spec}))

    result = command.called("check", "-f", str(file))

    lines = [line.strip() for line in result.output.splitlines()]
    assert (result.exit_code, lines[:2]) == (0, ["ClusterSecretStore new: Ready", "login     accepted"])
    assert any("Read Value on 1 of the secrets in folder /acme of environment prod" in line for line in lines)
    assert "offers    1 secret" in lines
    assert "canary" not in result.output


def test_a_store_that_will_not_work_is_told_before_it_is_applied(infisical: InfisicalStandIn, tmp_path: Path):
    command = Command(infisical, mapping={"by": "Paths"})
    command.spec["provider"]["infisical"]["environment"] = "nowhere"
    manifest = {"apiVersion": "keyferry.dev/v1alpha1", "kind": "ClusterSecretStore", "metadata": {"name": "new"}}
    file = tmp_path / "store.yaml"
    file.write_text(yaml.safe_dump({**manifest, "spec": command.spec}))

    result = command.called("check", "-f", str(file))

    assert result.exit_code == 1
    assert "no folder as in folder / of environment nowhere" in " ".join(result.output.split())
