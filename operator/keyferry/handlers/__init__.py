"""Kopf's edge, a file a kind: turns what Kopf saw into one call, and decides nothing.

Only `kopf.on.event` is used: it keeps no state, so resources get no annotation and no finalizer. Never register a
stateful handler on core Secrets: Kopf would copy their data into an annotation.
"""

import kopf

from keyferry.app import App
from keyferry.handlers import external_secret, lifecycle, namespace, store


def register(registry: kopf.OperatorRegistry, app: App) -> None:
    """Register every handler."""
    for module in (lifecycle, external_secret, store, namespace):
        module.register(registry, app)
