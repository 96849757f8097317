"""A connection that fails costs no other one its file descriptor."""

import asyncio
import contextlib
import gc
import os
import socket
import ssl
import struct
import threading
from collections.abc import Iterator

import pytest

from keyferry.schedule.loop import Loop

TRIES = 60  # one in seven was enough
TRUST = ssl.create_default_context()
HANG_UP = struct.pack("ii", 1, 0)


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server that takes connections and hangs up at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=hang_up, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def hang_up(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is closed
        while True:
            caller, _ = listener.accept()
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HANG_UP)
            caller.close()


async def connect(port: int, *, tls: bool) -> None:
    """As aiohttp does it: the socket is connected first, then given to the loop."""
    sock = socket.socket()
    sock.settimeout(0)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(sock, ("127.0.0.1", port))
    except OSError:
        sock.close()
        return
    name, trust = ("localhost", TRUST) if tls else (None, None)
    with contextlib.suppress(OSError):
        made, _ = await loop.create_connection(asyncio.Protocol, sock=sock, ssl=trust, server_hostname=name)
        made.close()


async def lost(port: int, *, tls: bool) -> int:
    """How many files are closed by nobody, after connections that failed."""
    gone = 0
    for _ in range(TRIES):
        await connect(port, tls=tls)
        files = [os.open(os.devnull, os.O_RDONLY) for _ in range(4)]  # they get the numbers that became free
        gc.collect()
        await asyncio.sleep(0)
        for file in files:
            try:
                os.close(file)
            except OSError:
                gone += 1
    return gone


@pytest.mark.parametrize("tls", [True, False], ids=["TLS", "plain"])
def test_a_connection_that_fails_closes_nothing_but_itself(port: int, tls: bool):  # noqa: FBT001 - a parameter
    with asyncio.Runner(loop_factory=Loop) as runner:
        assert runner.run(lost(port, tls=tls)) == 0
