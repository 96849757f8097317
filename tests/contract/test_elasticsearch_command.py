"""`keyferry secret` and `keyferry check` through a real Elasticsearch."""

import base64
import json
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from typer.testing import CliRunner, Result

from keyferry.backends.elasticsearch.documents import id_of
from keyferry.cli import commands
from keyferry.cli.stores import Surroundings
from keyferry.kube.client import Json, Kube
from tests.contract.elasticsearch_stores import CA, ENCRYPTION_KEY, KEY, LOGIN, WRITES
from tests.servers.elasticsearch_server import ElasticsearchServer, allowing
from tests.unit.cli.conftest import FakeKube, apart

pytest_plugins = ["tests.contract.elasticsearch_fixtures"]
NAMESPACE = "payments"


class Command:
    """The command as an administrator runs it over a ClusterSecretStore."""

    def __init__(self, elastic: ElasticsearchServer, index: str, *privileges: str, **spec: Any) -> None:
        self.kube = FakeKube({f"/api/v1/namespaces/{NAMESPACE}": {"metadata": {"name": NAMESPACE}}})
        self._secret(LOGIN, apiKey=elastic.key(allowing(index, *(privileges or WRITES))).encoded)
        self._secret(CA, **{"ca.crt": elastic.ca.read_text()})
        self._secret(KEY, key=ENCRYPTION_KEY.decode())
        provider = {
            "addresses": [elastic.url],
            "index": index,
            "caProvider": {"type": "Secret", "name": CA, "key": "ca.crt", "namespace": NAMESPACE},
            "encryption": {"keySecretRef": {"name": KEY, "key": "key", "namespace": NAMESPACE}},
            "auth": {"method": "ApiKey", "secretRef": {"name": LOGIN, "key": "apiKey", "namespace": NAMESPACE}},
        }
        self.spec = {"provider": {"elasticsearch": provider}, "prefix": "acme", **spec}
        self.kube.objects["/apis/keyferry.dev/v1alpha1/clustersecretstores/elasticsearch"] = {"spec": self.spec}

    def _secret(self, name: str, **data: str) -> None:
        coded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
        found: Json = {"metadata": {"namespace": NAMESPACE, "name": name, "resourceVersion": "1"}, "data": coded}
        self.kube.objects[f"/api/v1/namespaces/{NAMESPACE}/secrets/{name}"] = found

    def run(self, *words: str, value: str = "") -> Result:
        return self.called("secret", *words, "--cluster-store", "elasticsearch", "--namespace", NAMESPACE, value=value)

    def called(self, *arguments: str, value: str = "") -> Result:
        """The whole program, as its console script calls it."""

        async def connect() -> Kube:
            return cast("Kube", self.kube)

        around = Surroundings(connect, lambda: "")
        return apart(lambda: CliRunner().invoke(commands(), [*arguments], input=value.encode(), obj=around))

    def checked(self, folder: Path) -> Result:
        manifest = {"apiVersion": "keyferry.dev/v1alpha1", "kind": "ClusterSecretStore", "metadata": {"name": "new"}}
        file = folder / "store.yaml"
        file.write_text(yaml.safe_dump({**manifest, "spec": self.spec}))
        return self.called("check", "-f", str(file))

    def done(self, *words: str, value: str = "") -> str:
        result = self.run(*words, value=value)
        assert result.exit_code == 0, result.output
        return result.stdout


@pytest.mark.parametrize("by", ["Paths", "Tags"])
def test_a_secret_is_put_listed_and_deleted(elastic: ElasticsearchServer, index: str, by: str):
    command = Command(elastic, index, mapping={"by": by}, defaultTags={"owner": "keyferry"})
    name = f"acme/{NAMESPACE}/db"
    told = command.done("put", "db", "--tag", "tier=web", value="canary")  # makes the index, too
    held = elastic.request("GET", f"{index}/_doc/{id_of(name)}")
    first = f"{held['_seq_no']}@{held['_source']['version']}"
    assert f"db: written as {name}, version {first}" in told
    assert "canary" not in told + json.dumps(held)
    marks = {"prefix": "acme", "namespace": NAMESPACE, "key": "db"} if by == "Tags" else {}
    owned = {"managed-by": "keyferry", "owner": "keyferry", **marks}
    assert held["_source"]["tags"] == {"tier": "web", **owned}

    command.done("put", "db", "--tag", "tier-", value="another")
    (row,) = json.loads(command.done("list", "-o", "json"))
    assert (row["key"], row["tags"], row["version"] == first) == ("db", owned, False)

    assert f"db: {name} is deleted" in command.done("delete", "db", "--yes")
    assert json.loads(command.done("list", "-o", "json")) == []
    assert "cannot be restored" in " ".join(command.run("restore", "db").stderr.split())


def test_a_put_of_what_is_there_already_writes_nothing(elastic: ElasticsearchServer, index: str):
    command = Command(elastic, index, mapping={"by": "Paths"})
    command.done("put", "db", value="canary")
    assert "holds that already" in command.done("put", "db", value="canary")


def test_who_may_only_read_is_told_what_lacks(elastic: ElasticsearchServer, index: str):
    Command(elastic, index, mapping={"by": "Paths"}).done("put", "db", value="canary")
    reader = Command(elastic, index, "read", mapping={"by": "Paths"})
    (row,) = json.loads(reader.done("list", "-o", "json"))
    assert row["key"] == "db"
    result = reader.run("put", "db", value="sparrow")
    assert result.exit_code == 1
    assert f"lacks the privilege index on the index {index}" in " ".join(result.stderr.split())
    assert "sparrow" not in result.output


def test_a_store_is_checked_before_it_is_applied(elastic: ElasticsearchServer, index: str, tmp_path: Path):
    command = Command(elastic, index, mapping={"by": "Paths"})
    command.done("put", "db", value="canary")
    result = command.checked(tmp_path)
    lines = [line.strip() for line in result.output.splitlines()]
    assert (result.exit_code, lines[:2]) == (0, ["ClusterSecretStore new: Ready", "login     accepted"])
    assert "offers    1 secret" in lines
    assert "canary" not in result.output


def test_a_store_that_will_not_work_is_told_before_it_is_applied(
    elastic: ElasticsearchServer, index: str, tmp_path: Path
):
    result = Command(elastic, index, "read", mapping={"by": "Paths"}).checked(tmp_path)
    assert result.exit_code == 1
    assert f"has no index {index}: run PUT /{index} with the mapping" in " ".join(result.output.split())
