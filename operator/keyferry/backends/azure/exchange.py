"""The questions to a vault, in the words of Azure's client, and what its answers say. Answers may lack anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from keyferry.backends.azure.catalogue import PAGE, Attributes
from keyferry.errors import BackendUnavailable

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineResponse
    from azure.keyvault.secrets import SecretProperties
    from azure.keyvault.secrets.aio import SecretClient


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the list, and where the next one is; empty at the end."""

    secrets: tuple[Attributes, ...]
    next: str


@dataclass(frozen=True, slots=True)
class Held:
    """A secret with its value."""

    attributes: Attributes
    data: bytes = field(repr=False)


class _Answered:
    """Takes in an answer as it came over the wire: when it was given, and whether a list is one."""

    at = 0.0

    def __call__(self, response: "PipelineResponse[Any, Any]") -> None:
        told = moment(response.http_response.headers.get("Date") or "")
        self.at = datetime.now(UTC).timestamp() if told is None else told
        if response.http_response.status_code == 200:
            self.content(response.http_response.json())

    def content(self, content: Any) -> None:
        if not isinstance(content, Mapping):
            raise BackendUnavailable("the vault's answer is no object")


class _Listed(_Answered):
    def content(self, content: Any) -> None:
        super().content(content)
        if not isinstance(content.get("value"), list):  # the SDK would take it for an empty one
            raise BackendUnavailable("the vault's list has no list in it")


async def page(client: "SecretClient", link: str, size: int = PAGE) -> Page:
    """A page of the list of secrets."""
    answered = _Listed()
    pages = client.list_properties_of_secrets(max_page_size=size, raw_response_hook=answered).by_page(link or None)
    listed = [each async for each in await anext(pages)]
    return Page(tuple(_attributes(each, answered.at) for each in listed), _link(pages))


async def get(client: "SecretClient", name: str, version: str) -> Held:
    """A secret's value, at a version or the current one."""
    answered = _Answered()
    got = await client.get_secret(name, version or None, raw_response_hook=answered)
    if not isinstance(got.value, str):
        raise BackendUnavailable("the vault's answer lacks the value of a secret")
    return Held(_attributes(got.properties, answered.at), got.value.encode())


async def put(client: "SecretClient", name: str, text: str, tags: Mapping[str, str]) -> Attributes:
    """A new version of a secret, with just these tags."""
    answered = _Answered()
    written = await client.set_secret(name, text, tags=dict(tags), raw_response_hook=answered)
    return _attributes(written.properties, answered.at)


async def delete(client: "SecretClient", name: str) -> None:
    """Delete a secret, and wait until its name is free or kept for recovery."""
    await client.delete_secret(name)


async def recover(client: "SecretClient", name: str) -> Attributes:
    """Recover a deleted secret, and wait until it is back."""
    answered = _Answered()
    recovered = await client.recover_deleted_secret(name, raw_response_hook=answered)
    return _attributes(recovered, answered.at)


def moment(date: str) -> float | None:
    """A date of a header, in seconds since the epoch."""
    try:
        at = parsedate_to_datetime(date)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _link(pages: Any) -> str:
    link = pages.continuation_token
    if not isinstance(link, str | None):
        raise BackendUnavailable("the vault's list does not say where it goes on")
    return link or ""


def _attributes(properties: "SecretProperties", answered_at: float) -> Attributes:
    if not properties.id or properties.updated_on is None:
        raise BackendUnavailable("the vault's answer lacks the name of a secret, or when it was changed")
    return Attributes(
        properties.id,
        properties.enabled is not False,
        int(properties.updated_on.timestamp()),
        _seconds(properties.not_before),
        _seconds(properties.expires_on),
        {key: str(text) for key, text in (properties.tags or {}).items()},
        answered_at,
    )


def _seconds(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp())
