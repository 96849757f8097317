"""Where the tests of an installation run: on this machine's control plane."""

from collections.abc import Iterator

import pytest

from tests.controlplane import ControlPlane
from tests.e2e.local import Local
from tests.e2e.place import Place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A cluster without Keyferry, and without its CRDs."""
    with ControlPlane() as plane:
        local = Local(plane, tmp_path_factory.mktemp("place"))
        try:
            yield local
        finally:
            local.stop()
