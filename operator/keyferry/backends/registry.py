"""From a provider's name to its backend, imported on first use so that an SDK that nobody uses costs nothing."""

from importlib import import_module

from keyferry.api.providers import Provider
from keyferry.backends.base import Backend, Context
from keyferry.errors import SpecInvalid

_MODULES = {name: f"{__package__}.{name}" for name in Provider.model_fields}


def create(provider: Provider, context: Context) -> Backend:
    """The backend of a store, not logged in yet. Raises SyncError where the spec makes no sense to it."""
    name = provider.name
    if context.proxy and not provider.proxied:
        raise SpecInvalid(f"spec.proxy: leave proxy out: {name} uses none")
    try:
        module = import_module(_MODULES[name])
        backend: Backend = module.create(provider.chosen, context)
    except ModuleNotFoundError as missing:
        raise SpecInvalid(f"provider {name}: this operator lacks {missing.name}; install keyferry[{name}]") from missing
    return backend
