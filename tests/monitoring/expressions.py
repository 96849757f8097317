"""What Prometheus is asked: by the alerts, and by the dashboard as Grafana asks it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "helm" / "keyferry" / "files" / "dashboards" / "keyferry.json"
CHOSEN = {"$store": ".*", "$__rate_interval": "1m", "$price": "0.05"}  # all stores; a test has no five minutes

_ASIDE = re.compile(r"\"[^\"]*\"|'[^']*'|\{[^}]*\}|\[[^\]]*\]|\b(by|on|without|group_left)\s*\([^)]*\)")
_WORD = re.compile(r"\b[a-zA-Z_:][\w:]*\b(?!\s*\()")
_OPERATORS = {"and", "or", "unless", "bool", "offset", "by", "on", "sum", "max", "min", "count"}


def panels() -> list[dict[str, Any]]:
    """The dashboard's panels, rows among them."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def asked() -> Iterator[tuple[str, str]]:
    """The title of a panel and one of its queries, for each query."""
    for panel in panels():
        for target in panel.get("targets", ()):
            expression: str = target["expr"]
            for variable, chosen in CHOSEN.items():
                expression = expression.replace(variable, chosen)
            yield panel["title"], expression


def metrics(expression: str) -> set[str]:
    """The names of the series that an expression asks for."""
    return set(_WORD.findall(_ASIDE.sub("{}", expression))) - _OPERATORS
