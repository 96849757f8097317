"""An HTTP proxy that only CONNECTs, as companies run them: it wants a login, knows who may be reached, and keeps a log.

Addresses that nobody listens at lead to those that somebody does: what reaches them has come through the proxy.
"""

import asyncio
import base64
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

USER, PASSWORD = "keyferry", "p@ss:word/canary"  # with all that a URL would trip over


@dataclass(slots=True)
class ConnectProxy:
    """One event loop owns it."""

    ways: Mapping[str, int]  # host:port as it is asked for, to a port of this machine
    login: str = f"{USER}:{PASSWORD}"  # empty: everybody may come in
    answers: int | None = None  # this status, whatever is asked for
    silent: bool = False
    asked: list[str] = field(default_factory=list)  # host:port of each that was let through
    refused: int = 0
    heads: list[bytes] = field(default_factory=list, repr=False)
    port: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Listen no more, and break off what is open."""
        if self._server:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._connect(reader, writer)
        except asyncio.CancelledError:
            pass  # the end of it: there is nobody to tell
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        method, target, *_ = head.decode().split()
        if self.silent:
            await asyncio.Event().wait()
        if status := self._status(method, target, head):
            self.refused += 1
            writer.write(f"HTTP/1.1 {status} No canary\r\nContent-Length: 6\r\n\r\ncanary".encode())
            await writer.drain()
            return
        self.asked.append(target)
        theirs, ours = await asyncio.open_connection("127.0.0.1", self.ways[target])
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass_on(reader, ours))
                group.create_task(_pass_on(theirs, writer))
        finally:
            ours.transport.abort()

    def _status(self, method: str, target: str, head: bytes) -> int | None:
        word = base64.b64encode(self.login.encode()).decode()
        if self.login and f"\r\nproxy-authorization: basic {word}\r\n".lower() not in head.decode().lower():
            return 407
        if method != "CONNECT":
            return 405
        return self.answers or (None if target in self.ways else 502)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.close()


@asynccontextmanager
async def connect_proxy(ways: Mapping[str, int]) -> AsyncIterator[ConnectProxy]:
    """A proxy that leads there."""
    proxy = ConnectProxy(ways)
    await proxy.up()
    try:
        yield proxy
    finally:
        await proxy.down()


@contextmanager
def proxy_in_thread(ways: Mapping[str, int]) -> Iterator[ConnectProxy]:
    """The same, for tests without an event loop; what it holds may be read and set from there."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="connect proxy", daemon=True)
    thread.start()
    proxy = ConnectProxy(ways)
    try:
        asyncio.run_coroutine_threadsafe(proxy.up(), loop).result(10)
        yield proxy
        asyncio.run_coroutine_threadsafe(proxy.down(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
