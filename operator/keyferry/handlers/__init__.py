"""Kopf's edge, a file a kind: turns what Kopf saw into one call, and decides nothing.

Only `kopf.on.event` is used: it keeps no state, so resources get no annotation and no finalizer. Never register a
stateful handler on core Secrets: Kopf would copy their data into an annotation.
"""

import kopf

from keyferry.handlers import external_secret, lifecycle, namespace, store
from keyferry.handlers.lifecycle import Call
from keyferry.sync.picture import Picture


def register(registry: kopf.OperatorRegistry, picture: Picture, call: Call) -> None:
    """Register every handler. `call` runs a function of `picture` where it lives: Kopf has a thread of its own."""
    lifecycle.register(registry)
    for module in (external_secret, store):
        module.register(registry, picture, call)
    if picture.reach.everywhere:  # else nothing cluster-wide may be seen
        store.register_cluster_wide(registry, picture, call)
        namespace.register(registry, picture, call)
