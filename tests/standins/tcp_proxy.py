"""A proxy that passes bytes on, and can go away or fall silent: whatever is spoken through it, TLS included."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field


@dataclass(slots=True)
class TcpProxy:
    """In front of one port of this machine, at another. One event loop owns it."""

    target: int
    port: int = 0
    tls: ssl.SSLContext | None = None  # spoken to callers, and not to the target
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _speaks: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def up(self) -> None:
        """Listen, at the same port as before."""
        self._speaks.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Listen no more, and break off what is open."""
        if self._server:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=10)
        self._server = None

    @contextmanager
    def silence(self) -> Iterator[None]:
        """While inside, nothing is passed on."""
        self._speaks.clear()
        try:
            yield
        finally:
            self._speaks.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            with suppress(OSError):
                theirs, ours = await asyncio.open_connection("127.0.0.1", self.target)
                self._open |= {writer, ours}
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pass_on(reader, ours))
                    group.create_task(self._pass_on(theirs, writer))
                self._open -= {writer, ours}
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._speaks.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def proxy_before(port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[TcpProxy]:
    """A proxy in front of that port."""
    proxy = TcpProxy(port, tls=tls)
    await proxy.up()
    try:
        yield proxy
    finally:
        await proxy.down()
