"""What is in HCP's answers. Pure: they may lack anything, and then they are no answers, never fewer secrets."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from keyferry.backends.hcp.errors import odd
from keyferry.backends.hcp.leases import instant, seconds
from keyferry.errors import SecretUnusable

Told = Mapping[str, Any]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)  # developer.hashicorp.com: "Secret name constraints"


@dataclass(frozen=True, slots=True)
class Line:
    """What the list tells of a secret."""

    name: str
    number: int  # of its version
    made: datetime
    dynamic: bool
    life: float = 0.0  # seconds for which what it makes holds; 0: not told, or it makes nothing

    def pinned(self, number: int) -> str:
        """A version of a secret that has such. One that is made anew counts from 1 again, so it says when, too."""
        return f"{number}@{self.made.isoformat(timespec='microseconds').replace('+00:00', 'Z')}"


def possible(name: str) -> bool:
    """Whether a secret can be called so."""
    return _NAME.fullmatch(name) is not None


def secrets_in(body: Told) -> Sequence[Told]:
    """A page of them. Raises BackendUnavailable where the answer has none, be it an empty one."""
    found = body.get("secrets")
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise odd("HCP's answer has no list of secrets in it")
    return found


def next_page(body: Told) -> str:
    """The token of the page after this one; "" where it is the last."""
    pages = body.get("pagination")
    token = pages.get("next_page_token") if isinstance(pages, dict) else None
    return token if isinstance(token, str) else ""


def line_of(told: Told) -> Line:
    """A secret as a list or a read tells it. Raises BackendUnavailable where that is not whole."""
    name, kind, made = told.get("name"), told.get("type"), instant(told.get("created_at"))
    if not isinstance(name, str) or not isinstance(kind, str) or made is None:
        raise odd("HCP's answer has a secret without name, type or created_at")
    dynamic = kind == "dynamic"
    number = number_in(told)
    if not number and kind == "kv":
        raise odd(f"HCP does not tell the version of {name}")
    config = told.get("dynamic_config")
    return Line(name, number, made, dynamic, seconds(config.get("ttl")) if isinstance(config, dict) else 0.0)


def number_in(told: Told) -> int:
    """Of a rotating secret's rotation, of a static one's value; 0 where none is told. HCP may write it as text."""
    version = told.get("static_version") or told.get("rotating_version") or {}
    found = version.get("version", told.get("latest_version")) if isinstance(version, dict) else None
    if isinstance(found, str) and found.isdecimal():
        return int(found)
    return found if isinstance(found, int) else 0


def data_in(told: Told, name: str) -> bytes:
    """The value: a static secret's own text, or a JSON object of what a rotating or dynamic one holds.

    Raises SecretUnusable where there is none.
    """
    static = told.get("static_version")
    if isinstance(static, dict) and isinstance(static.get("value"), str):
        return str(static["value"]).encode()
    for version in (told.get("rotating_version"), told.get("dynamic_instance")):
        values = version.get("values") if isinstance(version, dict) else None
        if isinstance(values, dict) and values and all(isinstance(each, str) for each in values.values()):
            return orjson.dumps(values, option=orjson.OPT_SORT_KEYS)
    raise SecretUnusable(f"{name}: HCP tells no value of it; see there whether its rotation or its provider fails")
