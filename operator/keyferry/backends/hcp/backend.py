"""The backend: the list tells what changed, and only that is opened."""

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Mapping

from keyferry.api.providers.hcp import Hcp
from keyferry.backends.base import Access, Context
from keyferry.backends.hcp.answers import possible
from keyferry.backends.hcp.connection import connect
from keyferry.backends.hcp.errors import MOVE, ROLE, CallDenied
from keyferry.backends.hcp.reading import Reader
from keyferry.backends.turns import AtFirstUse
from keyferry.errors import SecretMissing, SyncError, bare, bared
from keyferry.values import Entry, Fetched, Ref, Scope

_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_WHOLE_APP = 10_000  # refs: pages of values come one after the other


class HcpBackend:
    """Reads an app. Connects when it is first used; a failure to connect is tried anew at every use."""

    batch = _WHOLE_APP
    mints = True  # to open a dynamic secret makes new credentials

    def __init__(self, spec: Hcp, context: Context) -> None:
        self._spec = spec
        self._context = context
        self._reader = AtFirstUse(self._connect, lambda reader: reader.connection.aclose())

    def __repr__(self) -> str:
        return f"HcpBackend({self._context.store})"

    async def check(self) -> Access:
        """Log in and find out what is allowed, by one line of the list and one value, never a dynamic one's."""
        return await self._reader.checked(self._check())

    async def fetch(self, refs: Collection[Ref]) -> Mapping[Ref, Fetched]:
        """Answer for every ref: current ones together, others each by a call of its own."""
        wanted = list(dict.fromkeys(refs))
        askable = [ref for ref in wanted if possible(ref.id)]
        answers: dict[Ref, Fetched] = {ref: _impossible(ref) for ref in wanted}
        if not askable:
            return answers
        try:
            reader = await self._reader.get()
        except SyncError as e:
            return answers | {ref: bare(e) for ref in askable}
        async with asyncio.TaskGroup() as group:
            current = group.create_task(reader.current([ref.id for ref in askable if not ref.version]))
            pinned = {ref: group.create_task(_pinned(reader, ref)) for ref in askable if ref.version}
        answers |= {ref: task.result() for ref, task in pinned.items()}
        return answers | {Ref(name): answer for name, answer in current.result().items()}

    async def entries(self, scope: Scope) -> AsyncIterator[Entry]:
        """Every entry whose name begins as the scope says. Raises SyncError."""
        reader = await bared(self._reader.get())
        lines = reader.lines()
        try:
            while (line := await bared(anext(lines, None))) is not None:
                if line.name.startswith(scope.name_prefix):
                    yield reader.entry(line)
        finally:
            await lines.aclose()

    def sweep_calls(self, entries: int) -> int:
        """The pages of the whole app, as far as so many entries tell: HCP cannot be trusted to filter it."""
        return self._reader.made.pages(entries) if self._reader.made else entries

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._reader.end()

    async def _connect(self) -> Reader:
        return Reader(await connect(self._spec, self._context))

    async def _check(self) -> Access:
        reader = await self._reader.get()
        await reader.probe()
        try:
            await reader.try_to_open()
        except CallDenied:
            return Access(batching=False, lacking=(_NO_VALUES.format(app=reader.connection.app),), notice=MOVE)
        return Access(notice=MOVE)


_NO_VALUES = f"the role {ROLE} in {{app}}: without it no value can be read"


def _impossible(ref: Ref) -> SecretMissing:
    return SecretMissing(
        f"no secret of HCP can be named {ref.id!r}: letters, digits and _ are all there is, 64 at most and no digit "
        "first"
    )


async def _pinned(reader: Reader, ref: Ref) -> Fetched:
    if not _NUMBER.fullmatch(ref.version):
        return SecretMissing(f"{ref.id} has no version {ref.version}: HCP's versions are numbers from 1 on")
    return await reader.pinned(ref.id, int(ref.version))
