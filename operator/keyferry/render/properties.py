"""Parts of a JSON value. A small path of our own: an expression language would not take `db-password` as it stands."""

import json
import re
from dataclasses import dataclass
from typing import Any

from keyferry.errors import SecretMissing, ValueInvalid

_PART = re.compile(r"(?:^|\.)((?:\\.|[^.])*)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ABSENT = object()


def parsed(data: bytes, where: str) -> Any:
    """The value as a JSON document, to be picked from. Raises ValueInvalid that names `where`, never the value."""
    try:
        return json.loads(data, parse_float=_Number, parse_int=_Number)
    except (ValueError, RecursionError):
        raise ValueInvalid(
            f"{where} is no JSON, so it has no properties: leave property out to take it whole"
        ) from None


def picked(document: Any, path: str, where: str) -> Any:
    """The part of a document that a path names. Raises SecretMissing when it has no such part."""
    found = _walk(document, path)
    if found is _ABSENT:
        raise SecretMissing(f"{where} has no property {path!r}")
    return found


def members(document: Any, where: str) -> dict[str, Any]:
    """Every member of a JSON object. Raises ValueInvalid when the document is none."""
    if not isinstance(document, dict):
        raise ValueInvalid(f"{where} is no JSON object: extract needs one; use data for a single value")
    return document


def as_bytes(part: Any, where: str) -> bytes:
    """How a part is written into a Secret: bytes and text as they are, null as nothing, the rest as compact JSON."""
    if part is None:
        return b""
    if isinstance(part, bytes):
        return part
    try:
        text = part if isinstance(part, str) else _json(part)
    except RecursionError:
        raise ValueInvalid(f"{where} is nested too deeply: name a part of it") from None
    return text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class _Number:
    """A number as it was written: 1.10 does not become 1.1, and no digit is lost."""

    literal: str


def _walk(value: Any, path: str) -> Any:
    if isinstance(value, dict) and path in value:  # a key that is there as it stands goes first
        return value[path]
    for part in (_ESCAPED.sub(r"\1", raw) for raw in _PART.findall(path)):
        if isinstance(value, bytes):
            value = _opened(value)
        if isinstance(value, dict):
            value = value.get(part, _ABSENT)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return _ABSENT
    return value


def _opened(member: bytes) -> Any:
    """The JSON that a member of a map of bytes holds, to be walked on in."""
    try:
        return parsed(member, "")
    except ValueInvalid:
        return _ABSENT


def _json(value: Any) -> str:
    """Python's own writer would turn numbers into its own, so that some would change."""
    if isinstance(value, _Number):
        return value.literal
    if isinstance(value, dict):
        lines = [f"{json.dumps(key, ensure_ascii=False)}:{_json(each)}" for key, each in value.items()]
        return f"{{{','.join(lines)}}}"
    if isinstance(value, list):
        return f"[{','.join([_json(each) for each in value])}]"
    return json.dumps(value, ensure_ascii=False)
