"""What to ask ListSecrets, and the entries in its answers. Pure: answers may lack anything."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from keyferry.errors import BackendUnavailable
from keyferry.values import Entry, Scope

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.type_defs import FilterTypeDef

PAGE = 100  # the most that ListSecrets gives at once
PAGES = 10000  # twice what an account may hold
CURRENT = "AWSCURRENT"

_EXPRESSIBLE = re.compile(r"[a-zA-Z0-9 :_@/+=.-][a-zA-Z0-9 :_@/+=.!-]{0,511}")


def filters(scope: Scope) -> list["FilterTypeDef"]:
    """Filters that let through all of the scope, and no more than they must.

    They match beginnings, and a tag's key apart from its value, so more comes through than was meant. What they cannot
    express (a leading ! would negate) is not filtered. Of several tags one that has a value filters most, and one
    filter of a kind is all that AWS documents.
    """
    key, value = max(scope.tags.items(), key=lambda tag: bool(tag[1]), default=("", ""))
    wanted = {"name": scope.name_prefix, "tag-key": key, "tag-value": value}
    return [
        {"Key": kind, "Values": [text]}  # type: ignore[typeddict-item] # the kinds are literals of the stubs
        for kind, text in wanted.items()
        if _EXPRESSIBLE.fullmatch(text)
    ]


def entries(page: Mapping[str, Any]) -> Iterator[Entry]:
    """The entries of one page. Raises BackendUnavailable where the page is not whole."""
    listed = page.get("SecretList")
    if not isinstance(listed, list):
        raise BackendUnavailable("Secrets Manager's answer to ListSecrets has no list in it")
    for line in listed:
        if not line or not line.get("ARN") or not line.get("Name"):
            raise BackendUnavailable("Secrets Manager's answer to ListSecrets has a line without name or ARN")
        if not line.get("DeletedDate"):
            yield Entry(line["ARN"], line["Name"], _versions(line), _tags(line))


def _versions(line: Mapping[str, Any]) -> dict[str, str]:
    staged: Mapping[str, list[str]] = line.get("SecretVersionsToStages") or {}
    versions = {version: version for version in staged}
    versions |= {stage: version for version, stages in staged.items() for stage in stages}
    return versions | ({"": versions[CURRENT]} if CURRENT in versions else {})


def _tags(line: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in line.get("Tags") or () if "Key" in tag}
