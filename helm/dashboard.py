"""The Grafana dashboard of the chart. `--write` writes it, `--check` says whether the file is as this says.

A row for each question that it answers. Every query goes by `$store`, so that one store can be looked at alone; what
several replicas say of the same store is one, for only one of them works on it.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from generated import keep

FILE = Path(__file__).parent / "keyferry" / "files" / "dashboards" / "keyferry.json"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS, HEIGHT = 24, 7

Panel = dict[str, Any]

OUTAGE = """
**Nothing is lost.** Secrets stay as they are, Pods start and restart with them, and nothing is deleted: no answer is
not the answer that something is gone. When the backend is back, all is made good within seconds.

Late are *changes*: a value that is rotated meanwhile arrives after the outage. How many ExternalSecrets would wait for
longer than they ask for, and how old the oldest answer would be by then, is on the right.

If the backend came back **empty**, those with `deletionPolicy: Delete` could lose their Secrets; where more than half
of a store's secrets vanish at once that is held back until somebody confirms it (`DeletionHeld`).
"""

# In an expression @ stands for the stores that are looked at.
CHOSEN = 'store=~"$store"'
FAILING = 'keyferry_external_secrets{@, reason!~"Synced|Suspended"}'
AWAKE = 'sum(keyferry_external_secrets{@, reason!="Suspended"})'
IN_SYNC = f'(sum(keyferry_external_secrets{{@, reason="Synced"}}) or 0 * {AWAKE}) / {AWAKE}'
LATE = 'keyferry_external_secrets_declared{@, interval=~"1m|10m|1h"}'
UNMOVED = 'keyferry_external_secrets_declared{@, store!="", interval!~"1m|10m|1h"}'
DELETING = 'keyferry_external_secrets_declared{@, deletion_policy="Delete"}'
OLDEST = "max by (store) (keyferry_external_secrets_oldest_look_seconds{@})"
CALLS_OF_A_DAY = "sum by (store) (increase(keyferry_backend_calls_total{@}[1d]))"
HITS = "sum by (store) (rate(keyferry_cache_hits_total{@}[$__rate_interval]))"
KUBERNETES_FAILS = (
    'sum by (resource, code) (rate(keyferry_kubernetes_requests_total{code!~"2..|404|409"}[$__rate_interval]))'
)
CALL_SECONDS = (
    "histogram_quantile(0.99, sum by (store, le) (rate(keyferry_backend_call_seconds_bucket{@}[$__rate_interval])))"
)
A_RECONCILIATION = (
    "sum(rate(keyferry_backend_calls_total[$__rate_interval])) / sum(rate(keyferry_syncs_total[$__rate_interval]))"
)
WRITTEN = 'sum(increase(keyferry_kubernetes_requests_total{resource="secrets", verb=~"PATCH|POST", code=~"2.."}[1h]))'
# Whatever was served from the cache had been missed by it before.
MISSES = "sum by (store) (rate(keyferry_cache_misses_total{@}[$__rate_interval]))"


def panel(kind: str, title: str, width: int, queries: Iterable[Panel], *, told: str, **more: Any) -> Panel:
    """A panel of some of the columns. `told`: its description; `unit`: Grafana's name of one; `red`: from there on."""
    defaults: dict[str, Any] = {"unit": more.pop("unit", "short"), "min": 0}
    if red := more.pop("red", None):
        steps = [{"color": "green", "value": None}, {"color": "red", "value": red}]
        defaults |= {"thresholds": {"mode": "absolute", "steps": steps}, "color": {"mode": "thresholds"}}
    if more.pop("stacked", False):
        defaults["custom"] = {"fillOpacity": 30, "stacking": {"mode": "normal"}}
    return {
        "type": kind,
        "title": title,
        "description": told,
        "width": width,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": more.pop("overrides", [])},
        "targets": [
            {"refId": letter, **each, "expr": each["expr"].replace("@", CHOSEN)}
            for letter, each in zip("ABCDEF", queries, strict=False)
        ],
        **more,
    }


def number(title: str, expression: str, **more: Any) -> Panel:
    """One number, as it is now."""
    options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background" if "red" in more else "none"}
    return panel("stat", title, 6, [{"expr": expression, "instant": True}], options=options, **more)


def lines(title: str, *queries: tuple[str, str], **more: Any) -> Panel:
    """Lines over time. A query is an expression and how its lines are called."""
    asked = [{"expr": expression, "legendFormat": legend} for expression, legend in queries]
    return panel("timeseries", title, more.pop("width", 12), asked, **more)


def table(title: str, columns: dict[str, str], *queries: str, **more: Any) -> Panel:
    """A line for each combination of labels. `columns`: how these and `Value` (of several, `Value #A`) are called."""
    asked = [{"expr": expression, "instant": True, "format": "table"} for expression in queries]
    order = {"excludeByName": {"Time": True, "Value": "Value" not in columns}, "renameByName": columns}
    transformations = [{"id": "merge", "options": {}}, {"id": "organize", "options": order}]
    return panel("table", title, more.pop("width", 12), asked, transformations=transformations, **more)


def column(name: str, unit: str) -> dict[str, Any]:
    """Another unit for one column of a table."""
    return {"matcher": {"id": "byName", "options": name}, "properties": [{"id": "unit", "value": unit}]}


ROWS = {
    "Is everything in sync?": [
        number(
            "Not in sync",
            f"sum({FAILING}) or vector(0)",
            red=1,
            told="ExternalSecrets whose Ready is not True, and nobody suspended them. Their Secrets stay as they are.",
        ),
        number(
            "In sync",
            IN_SYNC,
            unit="percentunit",
            told="Of all ExternalSecrets that are not suspended, those whose Secret is as the backend had it.",
        ),
        number(
            "Stores that cannot be used",
            "count(max by (store) (keyferry_store_ready{@}) == 0) or vector(0)",
            red=1,
            told="Stores whose Ready is not True; suspended ones are among them. Their Secrets stay as they are.",
        ),
        number(
            "Past their interval",
            "sum(keyferry_external_secrets_overdue{@}) or vector(0)",
            red=1,
            told="ExternalSecrets that had no answer from their store for a minute longer than refreshInterval says.",
        ),
        lines(
            "ExternalSecrets by reason",
            ("sum by (reason) (keyferry_external_secrets{@})", "{{reason}}"),
            stacked=True,
            told="All there are, by the reason of their Ready. What a reason means stands in docs/operations.md.",
        ),
        lines(
            "Who works",
            ("sum(keyferry_shards_held)", "shards held"),
            ("max(keyferry_shards)", "shards there are"),
            ("count by (version) (keyferry_build_info)", "replicas of {{version}}"),
            told="Replicas share the stores by shards. Fewer held than there are: some stores are worked on by nobody.",
        ),
    ],
    "What is failing, and why?": [
        table(
            "ExternalSecrets that fail",
            {"store": "Store", "reason": "Reason", "Value": "How many"},
            f"sum by (store, reason) ({FAILING}) > 0",
            told="Which ones, with the message: kubectl get kes -A -o wide. No store: none serves them.",
        ),
        table(
            "Stores in trouble",
            {"store": "Store", "reason": "Reason"},
            'sum by (store, reason) (keyferry_store_state{@, reason!="Ready"})',
            told="Mend these first: all who use such a store follow. The message: kubectl get kcss,kss -A -o wide.",
        ),
        lines(
            "Calls to backends that fail",
            (
                'sum by (store, result) (rate(keyferry_backend_calls_total{@, result!="ok"}[$__rate_interval]))',
                "{{store}} {{result}}",
            ),
            unit="reqps",
            told="By what came of them. BackendThrottled: more was asked than the backend bears; Keyferry slows down.",
        ),
        lines(
            "Requests to the API server that fail",
            (
                KUBERNETES_FAILS,
                "{{resource}} {{code}}",
            ),
            unit="reqps",
            told="By HTTP status; none: no answer. 403: a right is missing, or a policy refused. Nothing here is good.",
        ),
    ],
    "How stale is what?": [
        lines(
            "Oldest answer",
            (OLDEST, "{{store}}"),
            unit="s",
            told="Of the ExternalSecret whose store was asked for it the longest ago. A long interval lets it grow.",
        ),
        lines(
            "Most overdue",
            ("max by (store) (keyferry_external_secrets_most_overdue_seconds{@})", "{{store}}"),
            unit="s",
            told="How far the one that is latest is past its interval: the number to worry about.",
        ),
        lines(
            "Past their interval, by store",
            ("sum by (store) (keyferry_external_secrets_overdue{@})", "{{store}}"),
            width=8,
            told="How many ExternalSecrets had no answer for a minute longer than their interval.",
        ),
        lines(
            "How late a refresh begins (99 of 100)",
            (
                "histogram_quantile(0.99, sum by (le) (rate(keyferry_refresh_lag_seconds_bucket[$__rate_interval])))",
                "after it was due",
            ),
            unit="s",
            width=8,
            told="Seconds and growing: the operator does not keep up. More CPU helps, or more shards and replicas.",
        ),
        lines(
            "Calls that wait for their store's budget",
            ("sum by (store) (keyferry_store_budget_waiting{@})", "{{store}}"),
            width=8,
            told="Many for long: raise the store's refresh.callsPerSecond if its backend bears it, or the intervals.",
        ),
    ],
    "What does each backend cost?": [
        table(
            "Calls of the last 24 hours",
            {"store": "Store", "Value #A": "Calls", "Value #B": "Price", "Value #C": "Secrets offered"},
            CALLS_OF_A_DAY,
            f"{CALLS_OF_A_DAY} / 10000 * $price",
            "max by (store) (keyferry_store_offered_secrets{@})",
            overrides=[column("Price", "currencyUSD")],
            told="What was counted in that time. The price of 10,000 calls is a variable of the dashboard.",
        ),
        lines(
            "Calls",
            (
                "sum by (store, operation) (rate(keyferry_backend_calls_total{@}[$__rate_interval]))",
                "{{store}} {{operation}}",
            ),
            unit="reqps",
            told="Every call that a store's backend is asked, by what for. What one costs is on the provider's page.",
        ),
        lines(
            "Calls for each reconciliation",
            (
                A_RECONCILIATION,
                "calls",
            ),
            width=8,
            told="Cost follows change: with many ExternalSecrets and nothing new this is far below 1.",
        ),
        lines(
            "How long a call takes (99 of 100)",
            (
                CALL_SECONDS,
                "{{store}}",
            ),
            unit="s",
            width=8,
            told="The slowest of a hundred calls. At the store's refresh.timeout it is given up.",
        ),
        lines(
            "Values that cost no call",
            (f"1 - {MISSES} / ({MISSES} + ({HITS} or 0 * {MISSES}))", "{{store}}"),
            unit="percentunit",
            width=8,
            told="The cache had them: several ExternalSecrets share a secret, or one is read again soon (cache).",
        ),
    ],
    "What would an hour's outage do?": [
        {
            "type": "text",
            "title": "What an outage does",
            "description": "What becomes of Secrets while a backend cannot be reached, and after.",
            "width": 12,
            "options": {"mode": "markdown", "content": OUTAGE.strip()},
        },
        table(
            "If it began now",
            {
                "store": "Store",
                "Value #A": "Would be late",
                "Value #B": "Would not notice",
                "Value #C": "Oldest answer by then",
                "Value #D": "Delete when gone",
            },
            f"sum by (store) ({LATE})",
            f"sum by (store) ({UNMOVED})",
            f"{OLDEST} + 3600",
            f"sum by (store) ({DELETING})",
            overrides=[column("Oldest answer by then", "s")],
            told="Were a store's backend away for an hour from now on. Late: refreshInterval is an hour or less.",
        ),
        number(
            "ExternalSecrets that would be late",
            f"sum({LATE}) or vector(0)",
            told="Their refreshInterval is an hour or less: a value that changes meanwhile arrives after the outage.",
        ),
        number(
            "That would not notice",
            f"sum({UNMOVED}) or vector(0)",
            told="Their refreshInterval is longer than an hour, or they never ask again.",
        ),
        number(
            "Secrets written in the last hour",
            f"{WRITTEN} or vector(0)",
            told="Of all stores: about as many changes an outage would hold up.",
        ),
        number(
            "With deletionPolicy Delete",
            f"sum({DELETING}) or vector(0)",
            told="Only the answer that a secret is gone deletes one, never an outage.",
        ),
    ],
}


def placed() -> Iterator[Panel]:
    """Rows and panels, from left to right and downwards."""
    y, last = 0, HEIGHT
    for question, panels in ROWS.items():
        yield {"type": "row", "title": question, "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1}, "panels": []}
        x, y = 0, y + 1
        for each in panels:
            width, height = each["width"], 4 if each["type"] == "stat" else HEIGHT
            if x + width > COLUMNS:
                x, y = 0, y + last
            shown = {name: part for name, part in each.items() if name != "width"}
            yield shown | {"gridPos": {"x": x, "y": y, "w": width, "h": height}}
            x, last = x + width, height
        y += last


def variables() -> list[dict[str, Any]]:
    """What a viewer chooses: where from, which stores, and what calls cost."""
    stores = "label_values(keyferry_store_ready, store)"
    return [
        {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
        {
            "name": "store",
            "label": "Store",
            "type": "query",
            "datasource": SOURCE,
            "query": {"query": stores, "refId": "stores"},
            "refresh": 2,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
        },
        {"name": "price", "label": "Price of 10,000 calls", "type": "textbox", "query": "0.05"},
    ]


def dashboard() -> str:
    """The file's text."""
    made = {
        "uid": "keyferry",
        "title": "Keyferry",
        "tags": ["keyferry", "secrets"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": variables()},
        "panels": [{"id": number, **each} for number, each in enumerate(placed(), 1)],
    }
    return json.dumps(made, indent=1) + "\n"


if __name__ == "__main__":
    keep(FILE, dashboard(), __doc__)
