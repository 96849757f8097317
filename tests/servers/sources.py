"""Which servers there are, and where each is built from."""

from pathlib import Path

from tests.controlplane.pins import Source

HERE = Path(__file__).parent

VAULT = Source(
    name="Vault",
    folder=HERE / "vault",
    module="github.com/hashicorp/vault",
    packages=("keyferry/tests/servers/vault",),
)
SOURCES = (VAULT,)
