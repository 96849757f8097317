"""Stores on a real Vault behind the counting proxy, as tests write them."""

from typing import Any

from keyferry.api.providers import Vault
from keyferry.backends.vault import VaultBackend, create
from tests.contract.context import SeededCluster, context
from tests.servers.vault_server import VaultServer
from tests.standins.vault_proxy import VaultProxy

LOGIN = "vault-login"  # the Secret that holds the login
CA = "vault-ca"
TOKEN = {"method": "Token", "secretRef": {"name": LOGIN, "key": "token"}}


def holding(vault: VaultServer, **secret: str) -> SeededCluster:
    """A cluster whose Secrets hold the login and Vault's certificate authority."""
    login = {key: text.encode() for key, text in secret.items()}
    return SeededCluster({LOGIN: login, CA: {"ca.crt": vault.ca.read_bytes()}})


def store(
    proxy: VaultProxy,
    mount: str,
    auth: dict[str, Any] | None = None,
    *,
    token: str = "",
    spec: dict[str, Any] | None = None,
    **surroundings: Any,
) -> VaultBackend:
    """A store that logs in with a token unless told otherwise. `surroundings`: as for `context`."""
    surroundings.setdefault("cluster", holding(proxy.vault, token=token or proxy.vault.root_token))
    place = {
        "server": proxy.url,
        "rootEngine": mount,
        "caProvider": {"type": "Secret", "name": CA, "key": "ca.crt"},
    } | (spec or {})
    return create(Vault.model_validate({**place, "auth": auth or TOKEN}), context(**surroundings))
