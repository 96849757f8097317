"""Secrets of another namespace or cluster, read under the rights of whom the store names.

`backend` is what the operator asks. It asks through `connection`, which has a login (`login`, `kubeconfig`) and brings
one client of its own (`http`). How a Secret becomes an entry and a value, and back, is in `answers`; `reading` reads
many at once where that takes fewer calls.
"""

from keyferry.api.providers.kubernetes import Kubernetes
from keyferry.backends.base import Context
from keyferry.backends.kubernetes.backend import KubernetesBackend

__all__ = ["KubernetesBackend", "create"]


def create(spec: Kubernetes, context: Context) -> KubernetesBackend:
    """A backend that has not called anyone yet. What is wrong with the spec is told when it is first used."""
    return KubernetesBackend(spec, context)
