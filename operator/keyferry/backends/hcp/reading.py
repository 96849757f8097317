"""Lists and opens. The list has no values; values come by pages of all, or each by itself, whichever is fewer calls."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from keyferry.backends.hcp import leases
from keyferry.backends.hcp.answers import Line, Told, data_in, line_of, next_page, number_in, secrets_in
from keyferry.backends.hcp.connection import Connection
from keyferry.backends.hcp.errors import NotThere, odd
from keyferry.backends.turns import Turns
from keyferry.errors import BackendUnavailable, SecretMissing, SyncError, bare
from keyferry.values import Entry, Fetched, Value

_PAGE = 100  # secrets, of a page that is asked for; HCP may give fewer
_PLAIN = (("types", "kv"), ("types", "rotating"))  # what can be opened without anything being made


@dataclass(slots=True)
class Reader:
    """An app's secrets. What the last list told of each is kept, without values."""

    connection: Connection
    clock: Callable[[], float] = time.time
    page: int = field(default=_PAGE, init=False)  # secrets of a page, as far as HCP has shown
    _lines: dict[str, Line] | None = field(default=None, init=False)
    _lives: dict[str, float] = field(default_factory=dict, init=False)  # seconds, where the list says none or too many
    _listing: Turns = field(default_factory=Turns, init=False)

    async def lines(self) -> AsyncGenerator[Line, None]:
        """All that is there. Raises SyncError, also where an app without secrets is none at all."""
        found: dict[str, Line] = {}
        async with aclosing(self._pages("List", "/secrets")) as pages:
            async for page in pages:
                for line in map(line_of, page):
                    found[line.name] = line
                    yield line
        if not found:
            await self._verify()
        self._lines = found

    def entry(self, line: Line) -> Entry:
        """Its line in the catalogue."""
        current = self._version(line)
        pinned = {str(line.number): current} if line.number and not line.dynamic else {}
        return Entry(line.name, line.name, {"": current, **pinned}, {})

    def pages(self, entries: int) -> int:
        """How many pages the list has, where it has at least so many entries."""
        return max(1, math.ceil(max(entries, len(self._lines or ())) / self.page))

    async def probe(self) -> None:
        """See that the list may be read, and that the app is there. Raises SyncError."""
        if not secrets_in(await self.connection.ask("List", "/secrets", _size(1))):
            await self._verify()

    async def try_to_open(self) -> None:
        """See that values may be read, if there are any, and make nothing. Raises SyncError."""
        secrets_in(await self.connection.ask("OpenAll", "/secrets:open", (*_size(1), *_PLAIN)))

    async def current(self, names: Collection[str]) -> dict[str, Fetched]:
        """What secrets hold. One that the list does not have is not asked for: only the list tells that it is gone."""
        try:
            lines = await self._known(names)
        except SyncError as e:
            return dict.fromkeys(names, bare(e))
        answers: dict[str, Fetched] = {name: self.absent(name) for name in names if name not in lines}
        plain = [name for name in names if name in lines and not lines[name].dynamic]
        paged = math.ceil(sum(not line.dynamic for line in lines.values()) / self.page) < len(plain)
        try:
            answers |= await self._together(plain) if paged else {}
        except SyncError as e:
            answers |= dict.fromkeys(plain, bare(e))
        async with asyncio.TaskGroup() as group:
            singly = {name: group.create_task(self._answer(self._one(name))) for name in names if name not in answers}
        answers |= {name: task.result() for name, task in singly.items()}
        unsure = [name for name in names if isinstance(answers[name], NotThere)]
        return answers | (await self._proven(unsure, self._odd) if unsure else {})

    async def pinned(self, name: str, number: int) -> Fetched:
        """What a secret held at an earlier version."""
        answer = await self._answer(self._pinned(name, number))
        if not isinstance(answer, NotThere):
            return answer
        unversioned = SecretMissing(f"{name} has no version {number} in HCP, or none any more")
        return (await self._proven([name], lambda _: unversioned))[name]

    def absent(self, name: str) -> SecretMissing:
        """What to say of a secret that the list does not have."""
        return SecretMissing(f"HCP has no secret {name} in {self.connection.app}")

    def _version(self, line: Line) -> str:
        """What changes when the value does; of a dynamic secret also when what it made must be made anew."""
        version = line.pinned(line.number)
        if not line.dynamic:
            return version
        life = self._lives.get(line.name, line.life)
        return f"{version}#{leases.window(self.clock(), line.made.timestamp(), life)}"

    async def _pages(self, operation: str, path: str, *more: tuple[str, str]) -> AsyncGenerator[list[Told], None]:
        token, seen = "", {""}
        while True:
            turned = (("pagination.next_page_token", token),) if token else ()
            body = await self.connection.ask(operation, path, (*_size(_PAGE), *more, *turned))
            page = list(secrets_in(body))
            yield page
            token = next_page(body)
            if not token:
                return
            if token in seen:
                raise odd(f"{self.connection.host} gives the same page of {operation} again and again")
            seen.add(token)
            self.page = len(page) or self.page

    async def _verify(self) -> None:
        """Make sure that the app is there: that there is nothing in it costs Secrets, so it takes more than silence."""
        told = (await self.connection.ask("GetApp")).get("app")
        if not isinstance(told, dict) or not self.connection.url.endswith(f"/apps/{told.get('name')}"):
            raise odd(f"{self.connection.host} lists no secrets, and does not tell of the app itself")

    async def _known(self, names: Collection[str]) -> dict[str, Line]:
        """The last list, or a new one where that lacks any of these."""
        if self._lines is None or any(name not in self._lines for name in names):
            await self._listing.take(self._list)
        return self._lines or {}

    async def _list(self) -> None:
        async for _ in self.lines():
            pass

    async def _proven(self, names: Collection[str], listed: Callable[[str], SyncError]) -> dict[str, Fetched]:
        """Of what was not found: it may be gone, or the app, or the service. Only another list can tell which."""
        try:
            await self._listing.take(self._list)
        except SyncError as e:
            return dict.fromkeys(names, bare(e))
        left = self._lines or {}
        return {name: listed(name) if name in left else self.absent(name) for name in names}

    def _odd(self, name: str) -> BackendUnavailable:
        return BackendUnavailable(f"{self.connection.host} lists {name} and does not find it (status 404)")

    async def _together(self, names: Collection[str]) -> dict[str, Fetched]:
        """By pages of all that can be opened so, until all are found. Raises SyncError."""
        wanted, found = set(names), dict[str, Fetched]()
        async with aclosing(self._pages("OpenAll", "/secrets:open", *_PLAIN)) as pages:
            async for page in pages:
                ours = [told for told in page if told.get("name") in wanted and told.get("type") != "dynamic"]
                found |= {told["name"]: self._read(told) for told in ours}
                if len(found) == len(wanted):
                    break
        return found

    async def _one(self, name: str) -> Fetched:
        told = (await self.connection.ask("Open", f"/secrets/{name}:open")).get("secret")
        if not isinstance(told, dict) or told.get("name") != name:
            raise odd("HCP's answer to Open is about another secret")
        return self._read(told)

    async def _pinned(self, name: str, number: int) -> Fetched:
        line = (await self._known([name])).get(name)
        if line is None:
            return self.absent(name)
        if line.dynamic:
            return SecretMissing(f"{name} is dynamic: it has no versions, each time another value is made")
        told = await self.connection.ask("OpenVersion", f"/secrets/{name}/versions/{number}:open")
        if number_in(told) != number:
            raise odd("HCP's answer to OpenVersion is about another version")
        return Value(data_in(told, name), line.pinned(number))

    def _read(self, told: Told) -> Fetched:
        """A secret as it was opened, at its version."""
        try:
            line = line_of(told)
            data = data_in(told, line.name)
        except SyncError as e:
            return bare(e)
        if line.dynamic:
            listed = (self._lines or {}).get(line.name, line).life
            line = replace(line, life=listed)
            self._learn(line, leases.life_of(told.get("dynamic_instance")))
        return Value(data, self._version(line))

    def _learn(self, line: Line, life: float) -> None:
        """Where what was made ends sooner than the list says, or that says nothing, go by what was made."""
        self._lives.pop(line.name, None)
        if life and (not line.life or life < line.life):
            self._lives[line.name] = life

    async def _answer(self, read: Awaitable[Fetched]) -> Fetched:
        try:
            return await read
        except SyncError as e:
            return bare(e)


def _size(number: int) -> tuple[tuple[str, str], ...]:
    return (("pagination.page_size", str(number)),)
