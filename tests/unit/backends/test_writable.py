"""Which backends Keyferry can write to: the API refuses what would have no effect with the others."""

import ast
from pathlib import Path

import pytest

from keyferry.api.providers import PROVIDERS, WRITABLE

BACKENDS = Path(__file__).resolve().parents[3] / "operator" / "keyferry" / "backends"


def writes(provider: str) -> bool:
    """Whether a class of the backend can read, put and delete. Its SDK need not be there."""
    sources = [*(BACKENDS / provider).rglob("*.py"), *BACKENDS.glob(f"{provider}.py")]
    assert sources
    classes = [
        node for path in sources for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)
    ]
    named = [{each.name for each in found.body if isinstance(each, ast.AsyncFunctionDef)} for found in classes]
    return any({"fetch", "put", "delete"} <= names for names in named)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_default_tags_are_accepted_just_where_they_are_written(provider: str):
    assert (provider in WRITABLE) is writes(provider)
