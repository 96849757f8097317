"""Secrets as the API server has them, and as Keyferry does. Pure."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

from keyferry.errors import BackendUnavailable, SpecInvalid, ValueInvalid
from keyferry.values import Entry, Scope, Value

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_BEGINNING = re.compile(r"([a-z0-9][-a-z0-9.]*)?", re.ASCII)
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}", re.ASCII)
_LABEL_KEY = re.compile(
    r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?", re.ASCII
)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?)?", re.ASCII)
_BYTES = "base64"  # the only member of what stands for a member that is no text


def possible(name: str) -> bool:
    """Whether a Secret can be named so."""
    return len(name) <= 253 and bool(_NAME.fullmatch(name))


def checked_scope(scope: Scope) -> None:
    """Raises SpecInvalid where nothing can be in it: by the separators of mapping by Paths, or by tags."""
    if selector(scope) is None:
        raise SpecInvalid(
            "spec.prefix and spec.mapping.tags must be what labels can say: letters, digits, - _ and ., 63 at most"
        )
    if not _BEGINNING.fullmatch(scope.name_prefix):
        raise SpecInvalid(
            f"no Secret's name can begin with {scope.name_prefix!r}: map by Names with a prefix of lower-case "
            "letters, digits, - and ., or by Tags"
        )


def checked_labels(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags as labels. Raises SpecInvalid that names the one that cannot be."""
    for key, text in tags.items():
        if not _LABEL_KEY.fullmatch(key):
            raise SpecInvalid(f"tag {key!r} cannot be a label's key: letters, digits, - _ and ., 63 at most")
        if not _LABEL_VALUE.fullmatch(text):
            raise SpecInvalid(
                f"what tag {key!r} says cannot be a label's value: letters, digits, - _ and ., 63 at most"
            )
    return dict(tags)


def selector(scope: Scope) -> str | None:
    """What has the API server leave out what is not in the scope. None: nothing can be in it."""
    if not all(_LABEL_KEY.fullmatch(key) and _LABEL_VALUE.fullmatch(text) for key, text in scope.tags.items()):
        return None
    return ",".join(f"{key}={text}" if text else key for key, text in sorted(scope.tags.items()))


def entry(metadata: Mapping[str, Any]) -> Entry:
    """A Secret's line in the catalogue. Raises BackendUnavailable."""
    name, version, labels = (metadata.get(part) for part in ("name", "resourceVersion", "labels"))
    if not isinstance(name, str) or not isinstance(version, str) or not isinstance(labels, dict | None):
        raise BackendUnavailable("what answers is no API server: a Secret without a name or a version")
    return Entry(name, name, {"": version}, {str(key): str(text) for key, text in (labels or {}).items()})


def name_of(secret: Mapping[str, Any]) -> str:
    """What a Secret is called. Raises BackendUnavailable."""
    metadata = secret.get("metadata")
    return entry(metadata if isinstance(metadata, dict) else {}).name


def value(secret: Mapping[str, Any], what: str) -> Value:
    """What a Secret holds: a map of bytes, and JSON that shows it. Raises BackendUnavailable."""
    try:
        members = {str(key): base64.b64decode(text, validate=True) for key, text in (secret.get("data") or {}).items()}
        version = str(secret["metadata"]["resourceVersion"])
    except (LookupError, TypeError, ValueError, AttributeError):
        members, version = {}, ""
    if not version:
        raise BackendUnavailable(f"{what} is answered with what is no Secret")
    return Value(as_json(members), version, members)


def as_json(members: Mapping[str, bytes]) -> bytes:
    """The map as JSON: text as a string, and what is no UTF-8 as {"base64": "…"}, so that it is never mistaken."""
    shown = {key: _shown(data) for key, data in sorted(members.items())}
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()


def _shown(data: bytes) -> str | dict[str, str]:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {_BYTES: base64.b64encode(data).decode()}


def content(data: bytes, name: str) -> dict[str, str]:
    """JSON such as `as_json` makes, as a Secret's data. Raises ValueInvalid, which quotes none of it."""
    try:
        members = json.loads(data)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict) or not all(_KEY.fullmatch(key) for key in members):
        raise ValueInvalid(
            f'{name}: a Secret is a map: give it a JSON object such as {{"password": "…"}}, with keys of letters, '
            "digits, - _ and ."
        )
    return {key: _coded(member, f"{name}: member {number}") for number, (key, member) in enumerate(members.items(), 1)}


def _coded(member: Any, what: str) -> str:
    """Base64 of one member. Raises ValueInvalid."""
    if isinstance(member, str):
        try:
            return base64.b64encode(member.encode()).decode()
        except UnicodeEncodeError:
            raise ValueInvalid(f"{what} is no text that can be written as UTF-8") from None
    if isinstance(member, dict) and member.keys() == {_BYTES} and isinstance(member[_BYTES], str):
        try:
            return base64.b64encode(base64.b64decode(member[_BYTES], validate=True)).decode()
        except (binascii.Error, ValueError):
            raise ValueInvalid(f"{what} is not the Base64 that it says it is") from None
    raise ValueInvalid(f'{what} must be text, or {{"base64": "…"}} for bytes that are none')
