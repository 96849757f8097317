"""A store's counter over a backend under test, without limits on its rate."""

from collections.abc import Callable

from keyferry.backends.base import Backend
from keyferry.fetch.budget import Budget
from keyferry.fetch.cache import Cache
from keyferry.fetch.fetcher import Fetcher
from keyferry.fetch.guard import Guard
from keyferry.policy.mapping import Mapping


def counter(backend: Backend, mapping: Mapping, demand: Callable[[], int] = lambda: 1000) -> Fetcher:
    """As the operator makes it for a store that so many ExternalSecrets use."""
    return Fetcher(
        store="SecretStore payments/store",
        backend=backend,
        mapping=mapping,
        budget=Budget("store", 100_000, 100, 10),
        guard=Guard("SecretStore payments/store"),
        cache=Cache(10_000, 60),
        demand=demand,
        crowded=lambda: False,
        trouble=lambda _: None,
        swept=lambda: None,
    )
