"""The examples for Argo CD and Flux: Keyferry's own are read as they stand; the others do what the page says."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from keyferry.api.kinds import KINDS
from keyferry.settings import GROUP
from tests.unit.api.paths import paths

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "gitops"
FILES = sorted(FOLDER.rglob("*.yaml"))
SPECS = {kind.kind: kind.spec for kind in KINDS}
VERSION = yaml.safe_load((FOLDER.parents[1] / "helm" / "keyferry" / "Chart.yaml").read_text())["appVersion"]
WAVE = "argocd.argoproj.io/sync-wave"


def manifests(*names: str) -> list[dict[str, Any]]:
    wanted = [FOLDER / name for name in names] or FILES
    return [manifest for path in wanted for manifest in yaml.safe_load_all(path.read_text())]


OURS = [manifest for manifest in manifests() if manifest["apiVersion"].startswith(f"{GROUP}/")]


@pytest.mark.parametrize("manifest", OURS, ids=lambda manifest: f"{manifest['kind']}-{manifest['metadata']['name']}")
def test_a_manifest_is_read_as_it_stands(manifest):
    read = SPECS[manifest["kind"]].model_validate(manifest["spec"])
    written = read.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert sorted(paths(written)) == sorted(paths(manifest["spec"]))


def test_waves_go_from_the_store_to_the_secret_to_what_needs_it():
    waves = {
        each["kind"]: int(each["metadata"].get("annotations", {}).get(WAVE, "0"))
        for each in manifests("argocd/waves.yaml")
    }
    assert waves["SecretStore"] < waves["ExternalSecret"] < waves["Deployment"]


def test_the_store_the_secret_and_the_pod_name_each_other():
    account, store, secret, deployment = manifests("argocd/waves.yaml")
    web = store["spec"]["provider"]["aws"]["auth"]["webIdentity"]
    assert web["serviceAccountRef"]["name"] == account["metadata"]["name"]
    assert account["metadata"]["annotations"]["keyferry.dev/allow-tokens-for"] == "sts.amazonaws.com"
    assert secret["spec"]["secretStoreRef"]["name"] == store["metadata"]["name"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["envFrom"][0]["secretRef"]["name"] == secret["metadata"]["name"]


def test_each_kustomization_waits_for_the_one_before_and_in_one_way():
    """With `wait` Flux pays no heed to `healthChecks`."""
    found = manifests("flux/kustomizations.yaml")
    names = [each["metadata"]["name"] for each in found]
    assert [each["spec"].get("dependsOn") for each in found] == [None, *([{"name": name}] for name in names[:-1])]
    assert [each["spec"].get("wait", False) ^ ("healthChecks" in each["spec"]) for each in found] == [True] * 3


def test_the_operator_is_installed_at_a_release_and_not_at_whatever_was_merged_last():
    (argo,) = manifests("argocd/operator.yaml")
    source, release = manifests("flux/operator.yaml")
    assert argo["spec"]["source"]["targetRevision"] == f"v{VERSION}"
    assert source["spec"]["ref"] == {"tag": f"v{VERSION}"}
    assert release["spec"]["chart"]["spec"]["reconcileStrategy"] == "Revision"  # else a tag may be passed over


def test_a_release_that_fails_once_is_tried_again():
    _, release = manifests("flux/operator.yaml")
    assert [release["spec"][verb]["remediation"]["retries"] for verb in ("install", "upgrade")] == [3, 3]


def test_a_team_that_is_synced_too_early_is_synced_again_for_as_long_as_it_takes():
    """Argo CD of itself gives up after five tries (controller/appcontroller.go, autoSync)."""
    (team,) = manifests("argocd/team.yaml")
    retry = team["spec"]["syncPolicy"]["retry"]
    assert (retry["limit"], retry["backoff"]["maxDuration"]) == (-1, "5m")


def test_nothing_is_ignored_in_a_comparison():
    assert "ignoreDifferences" not in str(manifests())
