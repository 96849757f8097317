"""HCP Vault Secrets: an app of a project, by its HTTP API of 2023-11-28. The service ended on 1 July 2026.

`backend` is what the operator asks. It asks through `reading`, which lists and opens; `connection` has a token
(`backends.session`, `logins`) and the address, `client` is the only file that sends anything. What comes back is read
in `answers`, what goes wrong in `errors`; `leases` tells when what a dynamic secret made must be made anew.
"""

from keyferry.api.providers.hcp import Hcp
from keyferry.backends.base import Context
from keyferry.backends.hcp.backend import HcpBackend

__all__ = ["HcpBackend", "create"]


def create(spec: Hcp, context: Context) -> HcpBackend:
    """A backend that has not called anyone yet. What is wrong with the spec is told when it is first used."""
    return HcpBackend(spec, context)
