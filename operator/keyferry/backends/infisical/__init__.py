"""Infisical: a folder of an environment of a project, by its HTTP API.

`backend` is what the operator asks. It asks through `connection`, which knows the place and the API's generation and
has a token (`backends.session`, `logins`). `client` is the only file that sends anything; what comes back is read in
`answers`, what goes wrong in `errors`.
"""

from keyferry.api.providers.infisical import Infisical
from keyferry.backends.base import Context
from keyferry.backends.infisical.backend import InfisicalBackend

__all__ = ["InfisicalBackend", "create"]


def create(spec: Infisical, context: Context) -> InfisicalBackend:
    """A backend that has not called anyone yet. What is wrong with the spec is told when it is first used."""
    return InfisicalBackend(spec, context)
