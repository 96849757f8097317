"""What Argo CD makes of an object by the health check that docs/gitops.md gives, run by a Lua of its version."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from lupa import lua51

HEALTH = Path(__file__).resolve().parents[1] / "examples" / "gitops" / "argocd" / "health.yaml"
KEY = "resource.customizations.health.keyferry.dev_"

# Argo CD's words for kstatus' own.
WORDS = {"Current": "Healthy", "InProgress": "Progressing", "Failed": "Degraded", "Terminating": "Progressing"}


@cache
def scripts() -> Mapping[str, str]:
    """The script for each kind."""
    data = yaml.safe_load(HEALTH.read_text())["data"]
    return {key.removeprefix(KEY): script for key, script in data.items()}


def health(body: Mapping[str, Any]) -> tuple[str, str]:
    """Status and message."""
    lua = lua51.LuaRuntime(unpack_returned_tuples=True)
    answer = lua.execute(f"obj = ...\n{scripts()[body['kind']]}", lua.table_from(body, recursive=True))
    return str(answer["status"]), str(answer["message"])
