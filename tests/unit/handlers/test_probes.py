"""What a kubelet is told, and what it finds where nobody can tell it anything."""

import asyncio
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from keyferry.errors import SpecInvalid
from keyferry.handlers import probes
from keyferry.schedule.loop import Loop
from tests.controlplane import free_port

HANGS = 30.0  # seconds, unless it is let go on
PATIENCE = 1.0


@dataclass
class Operator:
    """As much of an App as probes ask, in a thread with the loop that the operator runs on."""

    port: int = field(default_factory=free_port)
    trouble: str | None = None
    lack: str | None = None
    loop: asyncio.AbstractEventLoop = field(init=False)

    def stopped(self) -> str | None:
        return self.trouble

    def unready(self) -> str | None:
        return self.lack

    def run(self, up: threading.Event) -> None:
        with asyncio.Runner(loop_factory=Loop) as runner:
            self.loop = runner.get_loop()
            runner.run(self._served(up))

    async def _served(self, up: threading.Event) -> None:
        self.ended = asyncio.Event()
        app: Any = self
        async with probes.served(app, f"127.0.0.1:{self.port}"):
            up.set()
            await self.ended.wait()

    def told(self, path: str) -> tuple[int, str]:
        """The answer of a probe. Raises TimeoutError."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()


@pytest.fixture
def operator() -> Iterator[Operator]:
    made, up = Operator(), threading.Event()
    thread = threading.Thread(target=made.run, args=(up,))
    thread.start()
    assert up.wait(5)
    yield made
    made.loop.call_soon_threadsafe(made.ended.set)
    thread.join()


def test_all_is_well(operator):
    assert (operator.told("/healthz"), operator.told("/readyz")) == ((200, "ok"), (200, "ok"))


def test_each_says_why_it_fails(operator):
    operator.trouble, operator.lack = "it has stopped", "it has not seen everything"
    assert operator.told("/healthz") == (500, "it has stopped")
    assert operator.told("/readyz") == (503, "it has not seen everything")


def test_an_event_loop_that_hangs_is_not_alive_though_its_process_is(operator):
    goes_on = threading.Event()
    operator.loop.call_soon_threadsafe(goes_on.wait, HANGS)  # a call that blocks it
    with pytest.raises(TimeoutError):
        operator.told("/healthz")

    goes_on.set()

    assert operator.told("/healthz") == (200, "ok")


@pytest.mark.parametrize("host", ["", "127.0.0.1"])
async def test_an_address_that_cannot_be_listened_on_is_told(host: str):
    with socket.create_server((host, 0)) as taken:
        listen = f"{host}:{taken.getsockname()[1]}"
        with pytest.raises(SpecInvalid, match=rf"cannot listen on {listen}: .*[aA]ddress already in use"):
            async with probes.listening(web.Application(), listen):
                raise AssertionError("somebody else listens there")
