"""`make e2e` as far as it goes without Docker: it says what is missing, and the commands that it runs are these."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.controlplane import binaries, render_chart
from tests.controlplane.chart import of_kind
from tests.e2e.kind import PROGRAMS, Kind, image_of
from tests.e2e.place import CommandFailed
from tests.e2e.version import CURRENT, ROOT, Version

RECORD = '#!/bin/sh\necho "$(basename "$0") $*" >> "$RECORD"\nexit {code}\n'


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that do nothing but write down how they were called; nothing else is found."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in (*PROGRAMS, "make"):
        put(folder, name)
    for name in ("sh", "basename"):
        (folder / name).symlink_to(
            next(Path(place) / name for place in ("/bin", "/usr/bin") if (Path(place) / name).exists())
        )
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    return folder


def put(folder: Path, name: str, code: int = 0) -> None:
    (folder / name).write_text(RECORD.format(code=code))
    (folder / name).chmod(0o755)


def asked() -> subprocess.CompletedProcess[str]:
    """What `make e2e` asks first."""
    return subprocess.run(
        [sys.executable, "-m", "tests.e2e"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_is_missing_is_named_with_where_to_get_it(programs: Path, name: str):
    (programs / name).unlink()

    done = asked()

    assert done.returncode == 1
    assert f"{name}: https://" in done.stderr
    assert done.stderr.count("https://") == 1


def test_a_daemon_that_does_not_answer_is_told(programs: Path):
    put(programs, "docker", code=1)

    done = asked()

    assert done.returncode == 1
    assert "a Docker daemon that answers: docker info ended with 1" in done.stderr


def test_where_nothing_is_missing_it_goes_on(programs: Path):
    assert asked().returncode == 0


def test_a_cluster_is_made_and_used_and_deleted_by_these_commands(programs: Path, tmp_path: Path):
    with Kind(tmp_path) as kind:
        kind.install(CURRENT, {})
        kind.in_pod("keyferry", "secret", "list", stdin="")
        kind.uninstall()

    here, image = "--namespace=keyferry-system", image_of(CURRENT)
    own = f"--name=keyferry-e2e --kubeconfig={tmp_path}/kubeconfig"
    pods = "pods --selector=app.kubernetes.io/instance=keyferry"
    assert (tmp_path / "record").read_text().splitlines() == [
        f"kind delete cluster {own}",
        f"kind create cluster {own} --config={ROOT}/kind-config.yaml --wait=180s",
        f"make --directory={ROOT} image IMAGE={image}",
        f"kind load docker-image {image} --name=keyferry-e2e",
        f"helm install keyferry {ROOT}/helm/keyferry --create-namespace --values=- {here}",
        f"kubectl rollout status deployment/keyferry --timeout=180s {here}",
        f"helm test keyferry --timeout=120s {here}",
        f"kubectl exec --stdin deployment/keyferry {here} -- keyferry secret list",
        f"helm uninstall keyferry {here}",
        f"kubectl wait --for=delete {pods} {here} --timeout=120s",
        f"kind delete cluster {own}",
    ]


def test_a_pod_that_does_not_become_ready_is_described(programs: Path, tmp_path: Path):
    script = RECORD.format(code=0) + 'case "$*" in *rollout*) exit 1;; *describe*) echo "no such image";; esac\n'
    (programs / "kubectl").write_text(script.replace("exit 0\n", "", 1))

    with pytest.raises(CommandFailed, match="no such image"), Kind(tmp_path) as kind:
        kind.install(CURRENT, {})

    assert (tmp_path / "record").read_text().splitlines()[-1].startswith("kind delete cluster")


def test_an_upgrade_changes_the_image_and_no_value(former: Version, tmp_path: Path):
    for version in (former, CURRENT):
        made = render_chart(binaries.find(), Kind(tmp_path).values, chart=version.chart)
        (deployment,) = of_kind(made, "Deployment")
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert container["image"] == image_of(version)
    assert image_of(former) != image_of(CURRENT)
