"""The official client, without Google's login library, which its synchronous half imports wherever that is installed.

That and what it needs take 9 MiB (measured) of every operator, and only a store on Google has a use for them. Ours is
the asynchronous half, which never asks for it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def _absent(name: str) -> Iterator[None]:
    """An import of this module fails meanwhile, as if it were not installed; one that is loaded stays loaded."""
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]  # None is Python's word for it
    added = modules.setdefault(name, None) is None
    try:
        yield
    finally:
        if added:
            del modules[name]


with _absent("google.auth"):
    from kubernetes.aio.client import ApiClient, Configuration
    from kubernetes.aio.config import (
        ConfigException,
        list_kube_config_contexts,
        load_incluster_config,
        load_kube_config,
    )

__all__ = [
    "ApiClient",
    "ConfigException",
    "Configuration",
    "list_kube_config_contexts",
    "load_incluster_config",
    "load_kube_config",
]
