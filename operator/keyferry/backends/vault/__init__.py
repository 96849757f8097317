"""HashiCorp Vault and OpenBao: KV secrets engines, of version 2 and 1.

`backend` is what the operator asks. It asks through `connection`, which has a token (`backends.session`, `logins`) and
brings hvac in on first use (`sdk`). What differs between the engine's versions is in `kv2` and `kv1`.
"""

from keyferry.api.providers.vault import Vault
from keyferry.backends.base import Context
from keyferry.backends.vault.backend import VaultBackend

__all__ = ["VaultBackend", "create"]


def create(spec: Vault, context: Context) -> VaultBackend:
    """A backend that has not called anyone yet. What is wrong with the spec is told when it is first used."""
    return VaultBackend(spec, context)
