"""A provider for tests: in the registry's place for SQL, so that a store's database names a backend in memory."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from functools import partial

from keyferry.api.providers.references import ServiceAccountRef
from keyferry.api.providers.sql import Sql
from keyferry.backends.base import Access, Context, Heard
from keyferry.errors import SyncError
from keyferry.values import Entry, Fetched, Ref, Scope
from tests.unit.fakes import FakeBackend

FAR: dict[str, FakeBackend] = {}  # by the database's name
NO_LOGIN = "none"  # a login Secret called so is not read
ACCOUNT = (
    "account"  # one called so stands for the ServiceAccount of that name: its token logs in, and holds for an hour
)
AUDIENCE = "vault"


@dataclass
class Session:
    """What one store makes of a backend: its calls go through the store's budget."""

    far: FakeBackend
    spec: Sql
    context: Context
    closed: bool = False
    ends_at: float = 0.0  # the loop's time when the account's token does

    @property
    def batch(self) -> int:
        return self.far.batch

    def sweep_calls(self, entries: int) -> int:
        return self.far.sweep_calls(entries)

    async def check(self) -> Access:
        if (ref := self.spec.encryption.key_secret_ref).name not in (NO_LOGIN, ACCOUNT):
            await self.context.cluster.secret(ref)
        await self._log_in()
        return await self.context.call("check", self.far.check)

    async def _log_in(self) -> None:
        if (ref := self.spec.encryption.key_secret_ref).name != ACCOUNT:
            return
        if (now := asyncio.get_running_loop().time()) >= self.ends_at:
            await self.context.cluster.token(ServiceAccountRef(name=ACCOUNT, namespace=ref.namespace), AUDIENCE)
            self.ends_at = now + 3600

    async def fetch(self, refs: Collection[Ref]) -> Mapping[Ref, Fetched]:
        try:
            await self._log_in()
            return await self.context.call("fetch", lambda: self._fetched(refs))
        except SyncError as failure:
            return dict.fromkeys(refs, failure)

    async def _fetched(self, refs: Collection[Ref]) -> Mapping[Ref, Fetched]:
        answers = await self.far.fetch(refs)
        if self.far.down:
            raise self.far.down
        return answers

    async def entries(self, scope: Scope) -> AsyncIterator[Entry]:  # noqa: ARG002 - it answers with more
        await self._log_in()
        number, full = 0, True
        while full:
            page, full = await self.context.call("list", partial(self.far.page_of, number))
            number += 1
            for entry in page:
                yield entry

    def hints(self) -> AsyncGenerator[Heard, None] | None:
        return self.far.source.heard() if self.far.source else None

    async def aclose(self) -> None:
        await asyncio.sleep(self.far.closing)
        self.closed = True


def create(spec: Sql, context: Context) -> Session:
    """The backend of a store."""
    return Session(FAR[spec.database or ""], spec, context)
