"""What every cluster test may ask for: a Kubernetes API, a namespace of its own, the operator as it is deployed."""

import contextlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.mode import Mode, Reach, modes_of
from tests.controlplane import ControlPlane, DeployedOperator, free_port, install, render_chart, uninstall
from tests.controlplane.api import RequestFailed
from tests.controlplane.chart import Manifest

Deploy = Callable[..., DeployedOperator]


@pytest.hookimpl(tryfirst=True)  # so that the mode stands first in a test's id
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Whatever asks for `mode`, be it by a world, runs in each."""
    if "mode" in metafunc.fixturenames:
        metafunc.parametrize("mode", modes_of(metafunc), scope="module", ids=str)


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    """One control plane for all tests of the session."""
    with ControlPlane() as running:
        yield running


@pytest.fixture(scope="session")
def crds(plane: ControlPlane) -> None:
    """Keyferry's kinds, known to the control plane."""
    install(plane, [m for m in render_chart(plane.binaries, {}) if m["kind"] == "CustomResourceDefinition"])


@pytest.fixture(scope="module")
def reach(request: pytest.FixtureRequest, mode: Mode) -> Reach:
    """Where a module's operator works: in namespaces mode, in as many namespaces as its tests may ask for."""
    own = [item for item in request.session.items if item.path == request.path and isinstance(item, pytest.Function)]
    tests = sum(hasattr(item, "callspec") and item.callspec.params.get("mode") is mode for item in own)
    return Reach(mode, tests + tests // 2 + 4)


@pytest.fixture
def namespace(plane: ControlPlane) -> Iterator[str]:
    """A fresh namespace. Nobody waits for its deletion, which takes Kubernetes five seconds and more."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    for kind in ("externalsecrets", "secretstores"):  # else the next module's operator would see them
        with contextlib.suppress(RequestFailed):  # the kind itself may not be there
            plane.request("DELETE", f"/apis/keyferry.dev/v1alpha1/namespaces/{name}/{kind}")
    plane.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def deploy(plane: ControlPlane, crds: None, namespace: str, tmp_path: Path) -> Iterator[Deploy]:
    """Installs the chart with the values given, under a release of its own, and hands out its operator, not started.

    It ends with the test, as do the rights that the chart gave it.
    """
    with ExitStack() as ended:

        def deployed(values: Mapping[str, Any] | None = None, command: list[str] | None = None) -> DeployedOperator:
            release = f"keyferry-{uuid.uuid4().hex[:6]}"
            own = {"crds": {"install": False}, "listen": {"port": free_port()}, "dataDir": str(tmp_path)}
            manifests = render_chart(plane.binaries, own | dict(values or {}), release=release, namespace=namespace)
            if command is not None:
                replace_command(manifests, command)
            install(plane, manifests)
            ended.callback(uninstall, plane, manifests)
            return ended.enter_context(DeployedOperator(plane, manifests))

        yield deployed


@pytest.fixture
def chart(plane: ControlPlane, crds: None, namespace: str) -> Callable[..., list[Manifest]]:
    """Renders the chart into this test's namespace; the CRDs are there already."""

    def rendered(**values: Any) -> list[Manifest]:
        own = {"crds": {"install": False}}
        return render_chart(plane.binaries, own | values, release=namespace, namespace=namespace)

    return rendered


@pytest.fixture
def installed(plane: ControlPlane, chart: Callable[..., list[Manifest]]) -> Iterator[list[Manifest]]:
    """The chart with its own values, installed."""
    manifests = chart()
    install(plane, manifests)
    yield manifests
    uninstall(plane, manifests)


def replace_command(manifests: list[dict[str, Any]], command: list[str]) -> None:
    """Let the Deployment run something else, with the same arguments and environment."""
    (deployment,) = [m for m in manifests if m["kind"] == "Deployment"]
    deployment["spec"]["template"]["spec"]["containers"][0]["command"] = command
