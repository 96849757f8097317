"""What to ask ListSecrets, and the entries in its answers."""

import re
from collections.abc import Iterable, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol

from keyferry.backends.gcp.tags import Marks
from keyferry.errors import BackendUnavailable
from keyferry.values import Entry, Scope

if TYPE_CHECKING:
    from keyferry.backends.gcp.connection import Connection

PAGE = 25000  # the most that ListSecrets gives at once
PAGES = 1000
BREATH = 500  # entries, after which others have their turn

_NAME = re.compile(r"projects/[^/]+(?:/locations/[^/]+)?/secrets/(?P<name>[^/]+)")
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


class Page(Protocol):
    """An answer of ListSecrets, as protobuf has it."""

    secrets: Iterable[Any]
    next_page_token: str


async def page(connection: "Connection", filter_: str, token: str, size: int) -> Page:
    """One page of the catalogue."""
    parent = connection.place.parent
    request = {"parent": parent, "page_size": size, "page_token": token, "filter": filter_}

    async def call(client: Any, how: dict[str, Any]) -> Page:
        pager = await client.list_secrets(request=request, **how)
        async with aclosing(pager.pages) as pages:  # whose second would be asked for past the budget
            whole = await anext(pages)
        found: Page = type(whole).pb(whole)  # the objects above these cost four times as much
        return found

    return await connection.ask("ListSecrets", "secrets.list", parent, call)


def filter_of(scope: Scope) -> str:
    """A filter that lets through all of the scope: names that contain the prefix.

    Tags are not filtered. They may be annotations, of which Google's page on filters says nothing.
    """
    return f"name:{scope.name_prefix}" if _PLAIN.fullmatch(scope.name_prefix) else ""


def entries(secrets: Iterable[Any], scope: Scope) -> Iterator[Entry]:
    """The entries of one page. Which version is the newest is not in it: "" is there and unknown, aliases are known."""
    for secret in secrets:
        found = _NAME.fullmatch(secret.name)
        if found is None:
            raise BackendUnavailable("Secret Manager's answer to ListSecrets has a line without a secret's name")
        versions = {"": "", **{alias: str(number) for alias, number in secret.version_aliases.items()}}
        marks = Marks(dict(secret.labels), dict(secret.annotations))
        for tags, unclear in marks.readings(scope.tags):
            yield Entry(found["name"], found["name"], versions, tags, unclear)
