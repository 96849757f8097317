"""Parts of a JSON value. A small path of our own: an expression language would not take `db-password` as it stands."""

import json
import re
from typing import Any, Self

from keyferry.errors import SecretMissing, ValueInvalid

_PARTS = re.compile(r"(?:\\.|[^.\\])+")
_ESCAPED = re.compile(r"\\(.)")


def picked(data: bytes, path: str, where: str) -> bytes:
    """The part of a JSON value that a path names, as a Secret holds it: text as it is, the rest as JSON.

    Raises ValueInvalid when the value is no JSON, SecretMissing when it has no such part. Neither quotes the value.
    """
    found = _walk(_parsed(data, where), path)
    if found is _ABSENT:
        raise SecretMissing(f"{where} has no property {path!r}")
    return as_bytes(found)


def members(data: bytes, where: str) -> dict[str, bytes]:
    """Every member of a JSON object. Raises ValueInvalid when the value is none."""
    parsed = _parsed(data, where)
    if not isinstance(parsed, dict):
        raise ValueInvalid(f"{where} is no JSON object: extract needs one; use data for a single value")
    return {key: as_bytes(value) for key, value in parsed.items()}


def as_bytes(value: Any) -> bytes:
    """How a JSON value is written into a Secret: text as it is, null as nothing, the rest as compact JSON."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if value is None:
        return b""
    if isinstance(value, _Number):
        return value.literal.encode()
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


class _Number(float):
    """A number that remembers how it was written, so that a version 1.10 does not become 1.1."""

    literal: str

    def __new__(cls, literal: str) -> Self:
        made = super().__new__(cls, literal)
        made.literal = literal
        return made


_ABSENT = object()


def _parsed(data: bytes, where: str) -> Any:
    try:
        return json.loads(data, parse_float=_Number)
    except (ValueError, RecursionError):
        raise ValueInvalid(
            f"{where} is no JSON, so it has no properties: leave property out to take it whole"
        ) from None


def _walk(value: Any, path: str) -> Any:
    if isinstance(value, dict) and path in value:  # a key that is there as it stands goes first
        return value[path]
    for part in (_ESCAPED.sub(r"\1", raw) for raw in _PARTS.findall(path)):
        if isinstance(value, dict):
            value = value.get(part, _ABSENT)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return _ABSENT
    return value
