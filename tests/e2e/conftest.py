"""Where the tests of an installation run: on this machine's control plane, or with --where=kind on kind."""

from collections.abc import Iterator

import pytest

from tests.controlplane import ControlPlane
from tests.e2e.kind import Kind
from tests.e2e.local import Local
from tests.e2e.place import Place
from tests.e2e.version import Shallow, Version, previous


def pytest_addoption(parser: pytest.Parser) -> None:
    """For `make e2e`."""
    parser.addoption("--where", choices=["local", "kind"], default="local", help="where tests/e2e install Keyferry")


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A cluster without Keyferry, and without its CRDs."""
    folder = tmp_path_factory.mktemp("place")
    if request.config.getoption("--where", default="local") == "kind":
        with Kind(folder) as cluster:
            yield cluster
    else:
        with ControlPlane() as plane:
            local = Local(plane, folder)
            try:
                yield local
            finally:
                local.stop()


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """The version before."""
    try:
        return previous(tmp_path_factory.mktemp("previous"))
    except Shallow as shallow:
        pytest.skip(str(shallow))
