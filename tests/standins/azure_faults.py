"""Faults of the Azure stand-in: each takes a request and the way on, and answers as a bad day would have it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.standins.azure_wire import Answer, Request, error_answer, json_answer

Proceed = Callable[[], Answer]
Fault = Callable[[Request, Proceed], Answer]


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


def truncated() -> Fault:
    """The JSON ends in its middle, and the connection in good order."""

    def fault(_: Request, proceed: Proceed) -> Answer:
        answer = proceed()
        return replace(answer, body=answer.body[: len(answer.body) // 2])

    return fault


def broken_off() -> Fault:
    """The connection ends in the middle of the answer."""

    def fault(_: Request, proceed: Proceed) -> Answer:
        answer = proceed()
        return replace(answer, sent=len(answer.body) // 2)

    return fault


def reset() -> Fault:
    """The connection ends, with no answer."""
    return lambda _, __: Answer(500, b"", reset=True)


def changing(change: Callable[[dict[str, Any]], object]) -> Fault:
    """The answer's JSON, changed in place."""

    def fault(_: Request, proceed: Proceed) -> Answer:
        answer = proceed()
        content = answer.json()
        change(content)
        return answer.with_json(content)

    return fault


def _hang(_: Request, __: Proceed) -> Answer:
    raise AssertionError("whoever hangs does not answer")


@dataclass(slots=True)
class _Planned:
    action: str  # "*": any
    fault: Fault
    left: int | None  # None: until it is taken back


class Faults:
    """What goes wrong, in the order in which it was planned. One lock guards the plan."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []
        self._lock = threading.Lock()
        self._hanging: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def add(self, action: str, fault: Fault, *, times: int | None = None) -> None:
        """`action` goes wrong so, for so many calls or until `clear`."""
        with self._lock:
            self._planned.append(_Planned(action, fault, times))

    @contextlib.contextmanager
    def during(self, action: str, fault: Fault) -> Iterator[None]:
        """`action` goes wrong so while inside."""
        planned = _Planned(action, fault, None)
        with self._lock:
            self._planned.append(planned)
        try:
            yield
        finally:
            with self._lock:
                self._planned.remove(planned)

    @contextlib.contextmanager
    def silence(self, action: str = "*") -> Iterator[None]:
        """Calls are taken and not answered while inside; afterwards their connections end."""
        with self.during(action, _hang):
            try:
                yield
            finally:
                self._release()

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._planned.clear()
        self._release()

    async def answer(self, request: Request, proceed: Proceed) -> Answer:
        """The answer, as the plan has it."""
        with self._lock:
            due = next((p for p in self._planned if p.action in {"*", request.action} and p.left != 0), None)
            if due is not None and due.left is not None:
                due.left -= 1
        if due is None:
            return proceed()
        if due.fault is not _hang:
            return due.fault(request, proceed)
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
