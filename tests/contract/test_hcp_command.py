"""`keyferry check` and `keyferry secret` over a store of HCP Vault Secrets."""

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
from tests.contract.hcp_stores import AUTH, CA, LOGIN, place
from tests.standins.hcp import HcpStandIn
from tests.unit.cli.conftest import FakeKube, apart

NAMESPACE = "payments"


class Command:
    """The command as a team runs it over its own store."""

    def __init__(self, hcp: HcpStandIn) -> None:
        self.kube = FakeKube({f"/api/v1/namespaces/{NAMESPACE}": {"metadata": {"name": NAMESPACE}}})
        self._secret(LOGIN, **hcp.service_principal())
        self._secret(CA, **{"ca.crt": hcp.ca.decode()})
        provider = {**place(hcp), "auth": {name: dict(ref) for name, ref in AUTH.items()}}
        self.spec: dict[str, Any] = {"provider": {"hcp": provider}}
        self.allowed = f"--allow-endpoint={hcp.url}"

    def _secret(self, name: str, **data: str) -> None:
        coded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
        found: Json = {"metadata": {"namespace": NAMESPACE, "name": name, "resourceVersion": "1"}, "data": coded}
        self.kube.objects[f"/api/v1/namespaces/{NAMESPACE}/secrets/{name}"] = found

    def called(self, *arguments: str, value: str = "") -> Result:
        """The whole program, as its console script calls it."""

        async def connect() -> Kube:
            return cast("Kube", self.kube)

        around = Surroundings(connect, lambda: "")
        return apart(lambda: CliRunner().invoke(commands(), [*arguments], input=value.encode(), obj=around))

    def checked(self, folder: Path, *more: str) -> Result:
        """`keyferry check` of the store before it is applied."""
        metadata = {"name": "new", "namespace": NAMESPACE}
        manifest = {"apiVersion": "keyferry.dev/v1alpha1", "kind": "SecretStore", "metadata": metadata}
        file = folder / "store.yaml"
        file.write_text(yaml.safe_dump({**manifest, "spec": self.spec}))
        return self.called("check", "-f", str(file), self.allowed, *more)


def test_a_check_says_that_the_service_has_ended_and_makes_nothing(hcp: HcpStandIn, tmp_path: Path):
    hcp.put("DB", "canary")
    hcp.dynamic("AWS")
    result = Command(hcp).checked(tmp_path)
    lines = [line.strip() for line in result.output.splitlines()]
    assert (result.exit_code, lines[:2]) == (0, [f"SecretStore {NAMESPACE}/new: Ready", "login     accepted"])
    assert "note      HCP Vault Secrets ended on 1 July 2026: move to HCP Vault Dedicated" in result.output
    assert "offers    2 secrets" in lines
    assert "canary" not in result.output
    assert hcp.minted() == 0


def test_programs_read_it_too(hcp: HcpStandIn, tmp_path: Path):
    (found,) = json.loads(Command(hcp).checked(tmp_path, "-o", "json").output)
    assert found["notice"].startswith("HCP Vault Secrets ended on 1 July 2026")


@pytest.mark.parametrize("status", [404, 410])
def test_a_check_of_what_is_gone_says_so(hcp: HcpStandIn, tmp_path: Path, status: int):
    hcp.ended = status
    result = Command(hcp).checked(tmp_path)
    said = " ".join(result.output.split())
    assert result.exit_code == 1
    assert "BackendUnavailable" in said
    assert f"(status {status}). HCP Vault Secrets ended on 1 July 2026; Secrets stay as they are" in said


def test_secrets_are_listed_and_never_written(hcp: HcpStandIn):
    hcp.put("acme_payments_DB", "v")
    hcp.dynamic("acme_payments_AWS")
    command, at = Command(hcp), ["--cluster-store", "hcp", "--namespace", NAMESPACE]
    provider = command.spec["provider"]["hcp"]
    for ref in (provider["caProvider"], *provider["auth"].values()):
        ref["namespace"] = NAMESPACE
    shared = {"spec": {**command.spec, "prefix": "acme"}}
    command.kube.objects["/apis/keyferry.dev/v1alpha1/clustersecretstores/hcp"] = shared
    listed = command.called("secret", "list", *at, "-o", "json")
    assert listed.exit_code == 0, listed.stderr
    assert [row["key"] for row in json.loads(listed.stdout)] == ["AWS", "DB"]
    for refused in (["put", "DB"], ["delete", "DB"]):
        result = command.called("secret", *refused, *at, "--yes", value="canary")
        assert result.exit_code != 0
        assert "can only read from hcp" in " ".join(result.output.split())
    assert hcp.app.secrets["acme_payments_DB"].versions == ["v"]
    assert hcp.minted() == 0
