"""Values for all who ask in one moment: each by a call of its own, or all by a list where that takes far fewer."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

from keyferry.errors import BackendUnavailable
from keyferry.values import Fetched

_COMPANY_SECONDS = 0.02  # for so long nobody must have joined
_LONGEST_SECONDS = 1.0

Read = Callable[[Collection[str]], Awaitable[Mapping[str, Fetched]]]


@dataclass(slots=True)
class _Bunch:
    """Names that are wanted together, and what came of them."""

    names: dict[str, None] = field(default_factory=dict)
    answers: Mapping[str, Fetched] = field(default_factory=dict)
    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Bunches:
    """Whoever asks first reads for all who join before it begins. One event loop owns it."""

    read: Read
    _forming: _Bunch | None = field(default=None, init=False)

    async def of(self, names: Collection[str]) -> dict[str, Fetched]:
        """An answer for each name, of a call that began after this one."""
        bunch = self._forming
        if bunch is None:
            bunch = self._forming = _Bunch()
            bunch.names |= dict.fromkeys(names)
            await self._lead(bunch)
        else:
            bunch.names |= dict.fromkeys(names)
            await bunch.over.wait()
        gone = BackendUnavailable("the store changed in the meantime; the next try uses the new one")
        return {name: bunch.answers.get(name, gone) for name in names}

    async def _lead(self, bunch: _Bunch) -> None:
        loop = asyncio.get_running_loop()
        began, before = loop.time(), 0
        try:
            while len(bunch.names) > before and loop.time() - began < _LONGEST_SECONDS:
                before = len(bunch.names)
                await asyncio.sleep(_COMPANY_SECONDS)
            self._forming = None
            bunch.answers = await self.read(list(bunch.names))
        finally:
            if self._forming is bunch:
                self._forming = None
            bunch.over.set()
