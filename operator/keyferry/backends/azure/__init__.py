"""Azure Key Vault: how to log in, list, read and write.

`backend` is the backend; what it asks goes through `connection`, which imports Azure's SDK (`sdk`) on first use.
`names` says how Keyferry's names and the vault's correspond, `catalogue` how a change is told without reading a value.
"""

from keyferry.api.providers.azure import Azure
from keyferry.backends.azure.backend import AzureBackend
from keyferry.backends.base import Context

__all__ = ["AzureBackend", "create"]


def create(spec: Azure, context: Context) -> AzureBackend:
    """A backend that has not called anyone yet. What is wrong with the spec is told when it is first used."""
    return AzureBackend(spec, context)
