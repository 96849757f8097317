"""Aspects: a store that is applied; manifests before they are; where logins come from; how what is wrong is told."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import Result

from keyferry.api.providers import Provider
from keyferry.api.store import StoreProxy
from keyferry.backends import registry
from keyferry.backends.base import Access, Backend, Context
from keyferry.errors import KubeUnavailable
from tests.unit.cli.conftest import CLUSTER_SQL, KEY, SQL, Cli

API = "keyferry.dev/v1alpha1"
CANARY = "canary-93ab"


def store(name: str = "team", kind: str = "SecretStore", namespace: str | None = "payments", **spec: Any) -> Any:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": {"provider": SQL, **spec}}


def login(key: str = KEY.decode(), field: str = "stringData", name: str = "sql") -> Any:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "payments"},
        field: {"key": key},
    }


def checked(cli: Cli, *objects: Any, code: int = 0, more: tuple[str, ...] = ()) -> Result:
    """The command over a file with these objects."""
    file = cli.data_dir / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(objects))
    result = cli.called("check", "-f", str(file), *more)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    assert KEY.decode() not in result.output
    assert CANARY not in result.output
    return result


def without_cluster(cli: Cli) -> None:
    async def connect() -> Any:
        raise KubeUnavailable("no API server is configured")

    cli.connect = connect


def test_a_store_that_is_applied_is_checked_by_its_name(cli: Cli):
    cli.seed("db")
    result = cli.called("check", "--store=team", "-npayments")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "SecretStore payments/team: Ready",
        "  login     accepted",
        "  listing   permitted",
        "  batches   permitted",
        "  offers    1 secret",
    ]


def test_a_store_that_is_not_there_is_an_error(cli: Cli):
    result = cli.called("check", "--cluster-store=nowhere")
    assert result.exit_code == 1
    assert result.stderr == "StoreNotFound: there is no ClusterSecretStore nowhere\n"


def test_a_manifest_is_checked_with_the_login_of_the_cluster(cli: Cli):
    cli.kube.objects = {path: body for path, body in cli.kube.objects.items() if "secretstores" not in path}
    assert "SecretStore payments/team: Ready" in checked(cli, store()).stdout


@pytest.mark.parametrize("field", ["data", "stringData"])
def test_a_login_in_the_files_goes_before_that_of_the_cluster(cli: Cli, field: str):
    cli.seed("db")  # with the good key
    other = "another key of at least 32 characters"
    key = base64.b64encode(other.encode()).decode() if field == "data" else other
    result = checked(cli, store(), login(key, field), code=1)
    assert "SecretStore payments/team: AuthFailed" in result.stdout


def test_files_that_say_it_all_need_no_cluster(cli: Cli):
    without_cluster(cli)
    assert "SecretStore payments/team: Ready" in checked(cli, store(), login()).stdout


def test_what_only_a_cluster_could_tell_is_named_where_there_is_none(cli: Cli):
    without_cluster(cli)
    result = checked(cli, store(), code=1)
    assert "KubernetesUnavailable" in result.stdout
    assert "secrets payments/sql is in none of the files, and no API server is configured" in result.stdout


def test_every_store_of_a_file_is_told_of_though_one_is_wrong(cli: Cli):
    missing = {"sql": {**SQL["sql"], "encryption": {"keySecretRef": {"name": "absent", "key": "key"}}}}
    result = checked(cli, store("one", provider=missing), store("two"), code=1)
    assert (
        "SecretStore payments/one: CredentialsMissing\n  SecretStore payments/one: Secret payments/absent"
        in result.stdout
    )
    assert "SecretStore payments/two: Ready" in result.stdout


def test_a_list_and_other_resources_are_looked_through(cli: Cli):
    listed = {"apiVersion": "v1", "kind": "List", "items": [store()]}
    other = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}}
    assert checked(cli, other, listed).stdout.startswith("SecretStore payments/team: Ready")


def test_a_store_without_a_namespace_is_in_the_one_that_is_given(cli: Cli):
    assert "SecretStore payments/team" in checked(cli, store(namespace=None), more=("-n", "payments")).stdout
    cli.context_namespace = "payments"
    assert "SecretStore payments/team" in checked(cli, store(namespace=None)).stdout


def test_a_cluster_store_offers_what_its_mapping_shows(cli: Cli):
    cli.several()
    shared = store("shared", "ClusterSecretStore", None, provider=CLUSTER_SQL, prefix="p")
    assert "  offers    4 secrets" in checked(cli, shared).stdout


def test_findings_for_machines(cli: Cli):
    result = checked(cli, store(), more=("-o", "json"))
    assert json.loads(result.stdout) == [
        {
            "kind": "SecretStore",
            "namespace": "payments",
            "name": "team",
            "ready": True,
            "reason": "Ready",
            "message": "",
            "listing": True,
            "batching": True,
            "lacking": [],
            "notice": "",
            "offered": 0,
        }
    ]


class Listless:
    """A backend whose login may read and not list."""

    async def check(self) -> Access:
        return Access(listing=False, batching=True, lacking=("the right to list\x1b[31m",))

    async def aclose(self) -> None:
        return None


class Batchless(Listless):
    """A backend that has no call which reads several values."""

    async def check(self) -> Access:
        return Access(listing=False, batching=None)


def test_what_a_backend_does_not_have_is_not_called_forbidden(cli: Cli):
    cli.create = lambda _provider, _context: Batchless()  # type: ignore[assignment,return-value] # no more is asked
    assert checked(cli, store()).stdout.splitlines()[2:] == ["  listing   not permitted"]


def test_what_a_login_lacks_is_told(cli: Cli):
    cli.create = lambda _provider, _context: Listless()  # type: ignore[assignment,return-value] # no more is asked
    lines = checked(cli, store()).stdout.splitlines()
    assert lines[2:4] == ["  listing   not permitted", "  batches   permitted"]
    assert lines[4] == "  lacking   the right to list\N{REPLACEMENT CHARACTER}[31m"


def test_a_store_by_tags_whose_login_may_not_list_would_not_work(cli: Cli):
    cli.create = lambda _provider, _context: Listless()  # type: ignore[assignment,return-value] # no more is asked
    result = checked(cli, store(mapping={"by": "Tags"}), code=1)
    assert "PermissionDenied" in result.stdout
    assert "the right to list" in result.stdout


def test_a_spec_that_makes_no_sense_is_told_by_its_field(cli: Cli):
    result = checked(cli, store(refresh={"timeout": "5 minutes"}), code=1)
    assert "SpecInvalid" in result.stdout
    assert "spec.refresh.timeout: write a duration" in result.stdout


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"a: [{CANARY}", "is no YAML, line"),
        ("kind: ConfigMap", "there is no SecretStore or ClusterSecretStore"),
        ("- just\n- a list", "there is no SecretStore or ClusterSecretStore"),
        (f"{{apiVersion: {API}, kind: SecretStore, metadata: {{namespace: a}}, spec: {{}}}}", "has no metadata.name"),
        (f"{{apiVersion: {API}, kind: SecretStore, metadata: {{name: a}}, spec: {{}}}}", "say in which"),
    ],
    ids=["broken", "no store", "no objects", "no name", "no namespace"],
)
def test_files_that_are_of_no_use_are_refused(cli: Cli, text: str, told: str):
    file = cli.data_dir / "manifests.yaml"
    file.write_text(text)
    result = cli.called("check", "-f", str(file))
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.replace("│", " ").split())
    assert CANARY not in result.output


def test_a_file_that_is_not_there_is_named(cli: Cli, tmp_path: Path):
    result = cli.called("check", "-f", str(tmp_path / "absent.yaml"))
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr


def test_manifests_come_from_stdin_too(cli: Cli):
    result = cli.called("check", "-f", "-", stdin=yaml.safe_dump(store()).encode())
    assert "SecretStore payments/team: Ready" in result.stdout


def test_files_and_a_name_together_are_refused(cli: Cli):
    assert cli.called("check", "-f", "-", "--store=team").exit_code == 2


def test_a_stores_proxy_is_used_as_the_operator_would(cli: Cli):
    made: list[Context] = []

    def create(provider: Provider, context: Context) -> Backend:
        made.append(context)
        return registry.create(provider, context)

    cli.create = create
    proxied = store(proxy={"url": "http://proxy.example:3128"})
    checked(cli, login(), proxied, code=1)
    assert made[0].proxy == StoreProxy(url="http://proxy.example:3128")


def test_what_no_proxy_stands_before_is_told(cli: Cli):
    result = checked(cli, login(), store(proxy={"url": "http://proxy.example:3128"}), code=1)
    assert "spec.proxy: leave proxy out: sql uses none" in result.stdout
