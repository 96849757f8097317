"""Faults of the Azure stand-in: each takes a request and the way on, and answers as a bad day would have it."""

import asyncio
from collections.abc import Callable

from tests.standins.azure_wire import Answer, Request, error_answer, json_answer
from tests.standins.faults import Fault, Plan, broken_off, changing, truncated

__all__ = ["Fault", "Faults", "body", "broken_off", "changing", "entra", "error", "reset", "truncated"]


def error(status: int, code: str = "", message: str = "injected", inner: str = "", *, retry_after: str = "") -> Fault:
    """Key Vault refuses with this code."""
    headers = {"Retry-After": retry_after} if retry_after else {}
    return lambda _, __: error_answer(status, code, message, inner, headers)


def entra(number: int, message: str = "injected", status: int = 401) -> Fault:
    """Entra refuses with this number."""
    said = {"error": "injected", "error_description": f"AADSTS{number}: {message}", "error_codes": [number]}
    return lambda _, __: json_answer(said, status)


def body(content: bytes, status: int = 200, **headers: str) -> Fault:
    """Whatever was asked, this is the answer."""
    return lambda _, __: Answer(status, content, {"Content-Type": "application/json", **headers})


def reset() -> Fault:
    """The connection ends, with no answer."""
    return lambda _, __: Answer(500, b"", reset=True)


class Faults(Plan):
    """What goes wrong. Who hangs waits on the listener's event loop."""

    def __init__(self) -> None:
        super().__init__()
        self._hanging: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def answer(self, request: Request, proceed: Callable[[], Answer]) -> Answer:
        """The answer, as the plan has it."""
        due = self._due(request)
        if due is None:
            return proceed()
        if due != self._hang:
            answer: Answer = due(request, proceed)
            return answer
        over = asyncio.Event()
        with self._lock:
            self._hanging.append((asyncio.get_running_loop(), over))
        await over.wait()
        return Answer(500, b"", reset=True)

    def _release(self) -> None:
        with self._lock:
            hanging, self._hanging = self._hanging, []
        for loop, over in hanging:
            loop.call_soon_threadsafe(over.set)
