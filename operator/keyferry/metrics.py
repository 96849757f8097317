"""Every metric, in seconds and totals. Set in `sync/`, `fetch/` and `kube/`; none carries a key's name or a value."""

from prometheus_client import Counter, Gauge, Histogram

_LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

BUILD = Gauge("keyferry_build_info", "1, with the version that runs.", ("version",))
BACKEND_CALLS = Counter("keyferry_backend_calls_total", "Calls to a store's backend.", ("store", "operation", "result"))
BACKEND_SECONDS = Histogram(
    "keyferry_backend_call_seconds", "How long a call to a backend took.", ("store", "operation"), buckets=_LATENCY
)
BUDGET_WAIT_SECONDS = Counter(
    "keyferry_store_budget_wait_seconds_total", "Time that calls waited for the store's budget.", ("store",)
)
BUDGET_WAITING = Gauge("keyferry_store_budget_waiting", "Calls that wait for the store's budget now.", ("store",))
STORE_READY = Gauge("keyferry_store_ready", "1 when the store can be used, else 0.", ("store",))
STORE_OFFERED = Gauge("keyferry_store_offered_secrets", "External secrets that the store's mapping offers.", ("store",))
STORE_SWEPT = Gauge("keyferry_store_last_sweep_timestamp_seconds", "When the catalogue was last swept.", ("store",))
HINTS = Counter("keyferry_store_hints_total", "Hints that something changed, by who gave them.", ("store", "source"))
HINTED_LOOKS = Counter(
    "keyferry_store_hinted_looks_total",
    "Looks that hints led to, by what they showed: News, Nothing, Unlisted (ExternalSecrets look), or the failure.",
    ("store", "result"),
)
LISTENING = Gauge(
    "keyferry_store_listening", "1 while the backend's own source of hints can be heard, else 0.", ("store",)
)
HOOK_CALLS = Counter("keyferry_webhook_calls_total", "Calls to the webhook.", ("result",))
SWEEP_SECONDS = Histogram(
    "keyferry_store_sweep_seconds",
    "How long a sweep of the catalogue took that came to its end.",
    ("store",),
    buckets=(*_LATENCY, 60.0, 120.0, 300.0),
)
CACHE_HITS = Counter("keyferry_cache_hits_total", "Values served without asking the backend.", ("store",))
CACHE_MISSES = Counter("keyferry_cache_misses_total", "Values that the cache had not.", ("store",))
STORE_STATE = Gauge(
    "keyferry_store_state", "1 for the reason of the store's Ready condition as it is now.", ("store", "reason")
)
EXTERNAL_SECRETS = Gauge(
    "keyferry_external_secrets",
    "ExternalSecrets by how they were left: the reason of their Ready. The store is empty where none serves them.",
    ("store", "reason"),
)
DECLARED = Gauge(
    "keyferry_external_secrets_declared",
    "ExternalSecrets by what they ask for: an interval of at most 1m, 10m, 1h, 1d, longer or never; deletionPolicy.",
    ("store", "interval", "deletion_policy"),
)
OVERDUE = Gauge(
    "keyferry_external_secrets_overdue",
    "ExternalSecrets whose last answer from the store is older than their interval by more than a minute.",
    ("store",),
)
MOST_OVERDUE_SECONDS = Gauge(
    "keyferry_external_secrets_most_overdue_seconds",
    "By how much the one that is latest is past its interval.",
    ("store",),
)
OLDEST_LOOK_SECONDS = Gauge(
    "keyferry_external_secrets_oldest_look_seconds",
    "Age of the store's last answer for the one that got none for longest; of those with an interval.",
    ("store",),
)
SYNCS = Counter(
    "keyferry_syncs_total", "Reconciliations, by kind and the reason of their Ready condition.", ("kind", "reason")
)
SYNC_SECONDS = Histogram("keyferry_sync_seconds", "How long a reconciliation took.", ("kind",), buckets=_LATENCY)
LAG_SECONDS = Histogram(
    "keyferry_refresh_lag_seconds", "How long after it was due a reconciliation began.", ("kind",), buckets=_LATENCY
)
KUBE_REQUESTS = Counter(
    "keyferry_kubernetes_requests_total", "Requests to the API server.", ("verb", "resource", "code")
)
QUEUE = Gauge("keyferry_queue_keys", "Objects that the scheduler knows.", ("kind",))
RUNNING = Gauge("keyferry_queue_running", "Objects that are worked on right now.", ("kind",))
HELD_BACK = Gauge(
    "keyferry_queue_held_back", "Objects that are due and wait because many of their store are worked on.", ("kind",)
)
SHARDS = Gauge("keyferry_shards", "Parts that the stores are divided into, for the replicas to share.")
SHARDS_HELD = Gauge("keyferry_shards_held", "Shards that this replica holds and works on.")
CRD_UNKNOWN_FIELDS = Gauge(
    "keyferry_crd_unknown_fields",
    "Fields that this operator knows and the CRD in the cluster does not; 2 where there is no CRD.",
    ("crd",),
)
LEASE_FAILURES = Counter("keyferry_lease_failures_total", "Requests about Leases that failed.", ("operation",))


_OF_STORES = (
    BACKEND_CALLS,
    BACKEND_SECONDS,
    BUDGET_WAIT_SECONDS,
    BUDGET_WAITING,
    STORE_READY,
    STORE_OFFERED,
    STORE_SWEPT,
    HINTS,
    HINTED_LOOKS,
    LISTENING,
    SWEEP_SECONDS,
    CACHE_HITS,
    CACHE_MISSES,
)


def forget_store(store: str) -> None:
    """Drop every series of a store that is no more."""
    for metric in _OF_STORES:
        metric.remove_by_labels({"store": store})
