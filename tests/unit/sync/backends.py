"""A provider for tests: what `registry.create` finds in place of SQL is a backend in memory, by the database's name."""

from keyferry.api.providers import Sql
from keyferry.backends.base import Context
from tests.unit.fakes import PlainBackend

BACKENDS: dict[str, PlainBackend] = {}
LOGIN = "login"  # the Secret that a store with `login=True` reads


class Session(PlainBackend):
    """What one store makes of a backend: calls go through the store's budget, and its end is its own."""


def create(spec: Sql, context: Context) -> PlainBackend:
    """The backend of that name, called within the store's budget."""
    backend = BACKENDS[spec.database]
    backend.opened(context, spec.encryption.key_secret_ref)
    return backend
