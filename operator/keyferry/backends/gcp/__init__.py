"""Google Secret Manager: how to log in, list, read and write.

`backend` is the backend; what it asks goes through `connection`, which imports Google's SDK (`sdk`) on first use.
"""

from keyferry.api.providers.gcp import Gcp
from keyferry.backends.base import Context
from keyferry.backends.gcp.backend import GcpBackend

__all__ = ["GcpBackend", "create"]


def create(spec: Gcp, context: Context) -> GcpBackend:
    """A backend that has not called anyone yet. What is wrong with the spec is told when it is first used."""
    return GcpBackend(spec, context)
