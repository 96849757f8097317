"""Which metrics there are, by the names that Prometheus stores them under."""

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from keyferry import metrics

_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}


def labels() -> dict[str, frozenset[str]]:
    """Our own metrics, a histogram as one, with their labels."""
    ours = [each for each in vars(metrics).values() if isinstance(each, MetricWrapperBase)]
    return {each._name + ("_total" if each._type == "counter" else ""): frozenset(each._labelnames) for each in ours}


def series() -> frozenset[str]:
    """The names of all series: a histogram's have suffixes. The process's own metrics are among them."""
    return frozenset(
        family.name + suffix for family in REGISTRY.collect() for suffix in _SUFFIXES.get(family.type, ("",))
    )
