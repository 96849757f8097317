"""One call with the official client: within the store's budget, and with our errors."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from elastic_transport import ApiError, ObjectApiResponse, TransportError
from elasticsearch import AsyncElasticsearch

from keyferry.backends.base import Calls
from keyferry.backends.elasticsearch.errors import About, Failure, told
from keyferry.backends.retry_after import seconds
from keyferry.errors import SyncError

T = TypeVar("T")
Request = Callable[[AsyncElasticsearch], Awaitable[ObjectApiResponse[Any]]]


@dataclass(frozen=True, slots=True)
class Asker:
    """The client of one login."""

    client: AsyncElasticsearch = field(repr=False)
    budget: Calls
    about: About

    def to(self, operation: str, needs: str = "read") -> About:
        """What is about to be tried; `needs` is the privilege for it, as Elasticsearch calls it."""
        return replace(self.about, operation=operation, needs=needs)

    async def ask(self, about: About, request: Request, read: Callable[[Mapping[str, Any]], T]) -> T:
        """What is read in the answer. Raises SyncError, as `read` may: the budget hears of it."""

        async def attempt() -> T:
            with _mapped(about):
                body: Mapping[str, Any] = (await request(self.client)).body
            return read(body)

        return await self.budget(about.operation, attempt)


@contextmanager
def _mapped(about: About) -> Iterator[None]:
    """Whatever the client raises inside becomes one of our errors, without what it was told of the request."""
    failed: SyncError
    try:
        yield
    except TransportError as e:
        failure = e.message if isinstance(e.message, Failure) else Failure()
        failed = failure.of_proxy(about.operation) or told(failure, about)
    except ApiError as e:
        error = e.body.get("error") if isinstance(e.body, dict) else None
        failed = told(Failure.of(e.meta.status, error, seconds(e.meta.headers.get("retry-after"))), about)
    else:
        return
    raise failed
