"""`keyferry secret` through a real Vault."""

import base64
import json
from typing import Any, cast

import pytest
from typer.testing import CliRunner, Result

from keyferry.cli import secret
from keyferry.cli.stores import Surroundings
from keyferry.kube.client import Json, Kube
from tests.contract.vault_stores import TOKEN
from tests.standins.vault_proxy import VaultProxy
from tests.unit.cli.conftest import FakeKube, apart

NAMESPACE = "payments"


class Command:
    """The command as an administrator runs it over a ClusterSecretStore."""

    def __init__(self, vault: VaultProxy, mount: str, *, version: str = "v2", **spec: Any) -> None:
        self.kube = FakeKube({f"/api/v1/namespaces/{NAMESPACE}": {"metadata": {"name": NAMESPACE}}})
        self._secret("vault-login", token=vault.vault.root_token)
        self._secret("vault-ca", **{"ca.crt": vault.vault.ca.read_text()})
        ref = {**cast("dict[str, str]", TOKEN["secretRef"]), "namespace": NAMESPACE}
        ca = {"type": "Secret", "name": "vault-ca", "key": "ca.crt", "namespace": NAMESPACE}
        auth = {**TOKEN, "secretRef": ref}
        provider = {"server": vault.url, "rootEngine": mount, "version": version, "caProvider": ca, "auth": auth}
        self.kube.objects["/apis/keyferry.dev/v1alpha1/clustersecretstores/vault"] = {
            "spec": {"provider": {"vault": provider}, "prefix": "acme", **spec}
        }

    def _secret(self, name: str, **data: str) -> None:
        coded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
        found: Json = {"metadata": {"namespace": NAMESPACE, "name": name, "resourceVersion": "1"}, "data": coded}
        self.kube.objects[f"/api/v1/namespaces/{NAMESPACE}/secrets/{name}"] = found

    def run(self, *words: str, value: str = "") -> Result:
        async def connect() -> Kube:
            return cast("Kube", self.kube)

        arguments = [*words, "--cluster-store", "vault", "--namespace", NAMESPACE]
        around = Surroundings(connect, lambda: "")
        return apart(lambda: CliRunner().invoke(secret.app, arguments, input=value.encode(), obj=around))

    def done(self, *words: str, value: str = "") -> str:
        result = self.run(*words, value=value)
        assert result.exit_code == 0, result.output
        return result.stdout


@pytest.mark.parametrize("by", ["Paths", "Tags"])
def test_a_secret_is_put_listed_and_deleted(vault: VaultProxy, kv: str, by: str):
    command = Command(vault, kv, mapping={"by": by}, defaultTags={"owner": "keyferry"})
    told = command.done("put", "db", "--tag", "tier=web", value='{"password": "canary"}')
    assert f"db: written as acme/{NAMESPACE}/db, version 1@" in told
    assert "canary" not in told
    held = vault.vault.request("GET", f"{kv}/data/acme/{NAMESPACE}/db")["data"]
    assert held["data"] == {"password": "canary"}
    marks = {"prefix": "acme", "namespace": NAMESPACE, "key": "db"} if by == "Tags" else {}
    assert held["metadata"]["custom_metadata"] == {
        "managed-by": "keyferry",
        "tier": "web",
        "owner": "keyferry",
        **marks,
    }

    command.done("put", "db", "--tag", "tier-", value='{"password": "another"}')
    (row,) = json.loads(command.done("list", "-o", "json"))
    assert (row["key"], row["version"][:2], row["tags"]) == (
        "db",
        "2@",
        {"managed-by": "keyferry", "owner": "keyferry", **marks},
    )

    assert f"db: acme/{NAMESPACE}/db is deleted" in command.done("delete", "db", "--yes")
    found = vault.vault.request("GET", f"{kv}/metadata/acme/{NAMESPACE}/db")["data"]["versions"]
    assert [bool(each["deletion_time"]) for each in found.values()] == [False, True]

    assert f"db: acme/{NAMESPACE}/db is there again, version 2@" in command.done("restore", "db")


def test_without_tags_nobody_knows_who_created_a_secret(vault: VaultProxy):
    command = Command(vault, vault.vault.engine(1), mapping={"by": "Paths"}, version="v1")
    command.done("put", "db", value='{"a": "1"}')
    assert "say --yes to overwrite it" in command.run("put", "db", value='{"a": "2"}').stderr
    command.done("put", "db", "--yes", value='{"a": "2"}')


def test_a_value_that_is_no_map_is_refused_and_not_shown(vault: VaultProxy, kv: str):
    result = Command(vault, kv, mapping={"by": "Paths"}).run("put", "db", value="canary")
    assert result.exit_code == 1
    assert "give it a JSON object" in " ".join(result.stderr.split())
    assert "canary" not in result.output
