"""A team's own SQLite database, written to as `keyferry secret put` does: from another process than the operator's."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from keyferry.api.providers import Provider
from keyferry.backends import registry
from keyferry.backends.base import Writer
from keyferry.values import StoreKey
from tests.cluster.manifests import secret, secret_store, sql_provider
from tests.cluster.world import Manifest, World
from tests.contract.context import SeededCluster, context

DATABASE, STORE, KEY_SECRET = "app", "own", "sql-key"
KEY = "a key of at least 32 characters, this"


def sqlite_store(namespace: str) -> tuple[Manifest, Manifest]:
    """A namespace's own store on SQLite, and the Secret that holds its key."""
    return (
        secret(namespace, KEY_SECRET, {"key": KEY}),
        secret_store(namespace, STORE, sql_provider(DATABASE, KEY_SECRET)),
    )


def put_into_sqlite(world: World, namespace: str, name: str, value: bytes) -> None:
    """Give the namespace's own database a secret, or a new value of it."""
    with ThreadPoolExecutor(1) as thread:  # pytest's own has an event loop already
        thread.submit(asyncio.run, _put(world, namespace, name, value)).result()


async def _put(world: World, namespace: str, name: str, value: bytes) -> None:
    cluster = SeededCluster({KEY_SECRET: {"key": KEY.encode()}})
    made = context(cluster=cluster, data_dir=world.data_dir, store=StoreKey(namespace, STORE))
    backend = registry.create(Provider.model_validate(sql_provider(DATABASE, KEY_SECRET)), made)
    try:
        assert isinstance(backend, Writer)
        await backend.put(name, value, {})
    finally:
        await backend.aclose()
