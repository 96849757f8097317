"""The backend: a page of the catalogue, and a batch of values, is a call each."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from typing import TypeVar

from keyferry.api.providers.elasticsearch import Elasticsearch
from keyferry.backends.base import Access, Context
from keyferry.backends.elasticsearch.connection import connect
from keyferry.backends.elasticsearch.documents import LONGEST_NAME, Document, is_name
from keyferry.backends.elasticsearch.errors import AnswerTooLarge, CallDenied, Unprepared
from keyferry.backends.elasticsearch.index import Index, Page
from keyferry.backends.turns import AtFirstUse, Turns
from keyferry.errors import SecretMissing, SecretTooLarge, SpecInvalid, SyncError, ValueInvalid, bare, bared
from keyferry.values import Entry, Fetched, Ref, Scope, Value

T = TypeVar("T")

LARGEST_VALUE = 1024 * 1024  # bytes: no Kubernetes Secret holds more
LARGEST_BATCH = 16 * LARGEST_VALUE  # bytes of values in one answer, as far as their sizes are known
MOST_VALUES = 500  # in one answer
MOST_LISTED = 10_000  # documents in one page: what an index gives unless it is told otherwise
LEAST_LISTED = 2


class ElasticsearchBackend:
    """Reads and writes the secrets of one index. The current version of each is the only one.

    Connects when it is first used; a failure to connect is tried anew at every use.
    """

    tagged = True

    def __init__(self, spec: Elasticsearch, context: Context, *, clock: Callable[[], float] = time.time) -> None:
        self._spec = spec
        self._context = context
        self._clock = clock
        self._index = AtFirstUse(self._connect, lambda index: index.aclose())
        self._preparing = Turns()
        self._seen = False  # whether the index was there: where it vanishes later on, it is not made again
        # Fewer where so many make too large an answer.
        self.batch = MOST_VALUES
        self._page = MOST_LISTED

    def __repr__(self) -> str:
        return f"ElasticsearchBackend({self._context.store})"

    async def check(self) -> Access:
        """Log in and find out what is allowed, in two calls: a page of one line, and a read of what is not secret."""
        self.batch, self._page = MOST_VALUES, MOST_LISTED
        return await self._index.checked(self._check())

    async def fetch(self, refs: Collection[Ref]) -> Mapping[Ref, Fetched]:
        """Answer for every ref, by one call for as many as `batch`."""
        names = sorted({ref.id for ref in refs if is_name(ref.id)})
        found: dict[str, Fetched | None] = {}
        while names:
            some = names[: self.batch]
            try:
                found |= await self._read(some)
            except AnswerTooLarge:
                self.batch = min(self.batch, len(some) // 2)
                continue
            names = names[len(some) :]
        return {ref: self._answer(ref, found) for ref in refs}

    async def entries(self, scope: Scope) -> AsyncIterator[Entry]:
        """Every secret in the scope, from names, tags and sequence numbers alone. Raises SyncError."""
        more, after = True, None
        while more:
            page = await self._list(after, scope.name_prefix)
            for each in page.listed:
                if each.entry is None:
                    raise self._changed(f"document {each.id}")  # whoever lists need not know its name
                if _inside(scope, each.entry.tags):
                    yield each.entry
            more, after = page.next is not None, page.next

    def sweep_calls(self, entries: int) -> int:
        return (entries + 1) // self._page + 1  # the document that tells of the encryption is listed, too

    async def put(self, name: str, data: bytes, tags: Mapping[str, str]) -> str:
        """Write the secret with just these tags; returns its new version. Raises SyncError."""
        if not is_name(name):
            raise SpecInvalid(f"{self._place}: a secret's name has 1 to {LONGEST_NAME} printable characters")
        if len(data) > LARGEST_VALUE:
            raise SecretTooLarge(f"{self._place}, secret {name!r}: a value has at most {LARGEST_VALUE} bytes")
        found = await bared(self._on(lambda index: index.find(name)))
        now = int(self._clock() * 1000)
        return await bared(self._on(lambda index: index.write(found, index.identity(name, tags, found, now), data)))

    async def delete(self, name: str) -> None:
        """Delete the secret. Raises SecretMissing when there is none."""
        document: Document | None = None
        if is_name(name):
            document = (await bared(self._on(lambda index: index.find(name)))).document
        if document is None:
            raise SecretMissing(f"{self._place} has no secret {name!r}")
        seen = document
        await bared(self._on(lambda index: index.delete(seen)))

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._index.end()

    @property
    def _place(self) -> str:
        return f"index {self._spec.index} of Elasticsearch"

    async def _connect(self) -> Index:
        return await connect(self._spec, self._context)

    async def _on(self, work: Callable[[Index], Awaitable[T]]) -> T:
        """What the work gives. An index that lacks is made first, where the login may, and it was never there."""
        index = await self._index.get()
        try:
            got = await work(index)
        except Unprepared as lacks:
            if self._seen:
                raise
            why = lacks
            await self._preparing.take(lambda: index.prepare(why))
            got = await work(index)
        self._seen = True
        return got

    async def _check(self) -> Access:
        prefix = self._context.scope.name_prefix
        no_list = await _denied(self._on(lambda index: index.page(None, prefix, 1)))
        no_read = await _denied(self._on(lambda index: index.read(())))
        if no_list and no_read:
            raise no_list
        lacking = []
        if no_list:
            lacking.append(_NO_LISTING.format(index=self._spec.index))
        if no_read:
            lacking.append(_NO_READING.format(index=self._spec.index))
        return Access(listing=no_list is None, batching=True, lacking=tuple(lacking))

    async def _list(self, after: str | None, prefix: str) -> Page:
        while True:
            try:
                return await bared(self._on(lambda index: index.page(after, prefix, self._page)))
            except AnswerTooLarge:
                if self._page == LEAST_LISTED:
                    raise
                self._page = max(LEAST_LISTED, self._page // 2)

    async def _read(self, names: Collection[str]) -> dict[str, Fetched | None]:
        """What each holds. Raises AnswerTooLarge where fewer would do."""
        try:
            found = await bared(self._on(lambda index: index.read(names)))
        except AnswerTooLarge as e:
            if len(names) > 1:
                raise
            return dict.fromkeys(names, SecretTooLarge(str(e)))
        except SyncError as e:
            return dict.fromkeys(names, bare(e))
        largest = max([1, *(len(value.data) for value in found.values() if isinstance(value, Value))])
        self.batch = max(1, min(self.batch, LARGEST_BATCH // largest))
        return found

    def _answer(self, ref: Ref, found: Mapping[str, Fetched | None]) -> Fetched:
        if ref.id not in found:
            return SecretMissing(f"{self._place} has no secret {ref.id!r}")
        value = found[ref.id]
        if value is None:
            return self._changed(f"secret {ref.id!r}")
        if isinstance(value, Value) and ref.version not in ("", number := value.version.partition("@")[0]):
            return SecretMissing(
                f"{self._place} keeps only the current version of {ref.id!r}, which is {number}: version "
                f"{ref.version!r} is gone, or never was; leave version out to follow the current one"
            )
        return value

    def _changed(self, what: str) -> ValueInvalid:
        return ValueInvalid(
            f"{self._place}, {what}: the document is not as Keyferry wrote it. It was changed from outside, "
            "or its content is that of another document or of an older version, or the login may not see all of its "
            "fields; put the secret again, or restore a snapshot"
        )


_NO_LISTING = (
    "indices:data/read/search on {index}, which is a part of the privilege read: without it mapping by Tags, find and "
    "the list of what the store offers do not work"
)
_NO_READING = (
    "indices:data/read/mget on {index}, which is a part of the privilege read: without it no value can be read"
)


def _inside(scope: Scope, tags: Mapping[str, str]) -> bool:
    return all(key in tags and text in ("", tags[key]) for key, text in scope.tags.items())


async def _denied(work: Awaitable[object]) -> CallDenied | None:
    try:
        await work
    except CallDenied as e:
        return CallDenied(str(e))
    return None
