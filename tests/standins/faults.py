"""Faults that stand-ins have in common: each takes a request and the way on, and answers as a bad day would have it.

Of a request `action` is looked at; of an answer `body` and `sent`, and `json` and `with_json` where it is changed.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

Proceed = Callable[[], Any]
Fault = Callable[[Any, Proceed], Any]


def truncated() -> Fault:
    """The JSON ends in its middle, and the connection in good order."""

    def fault(_: Any, proceed: Proceed) -> Any:
        answer = proceed()
        return replace(answer, body=answer.body[: len(answer.body) // 2])

    return fault


def broken_off() -> Fault:
    """The connection ends in the middle of the answer."""

    def fault(_: Any, proceed: Proceed) -> Any:
        answer = proceed()
        return replace(answer, sent=len(answer.body) // 2)

    return fault


def changing(change: Callable[[dict[str, Any]], object]) -> Fault:
    """The answer's JSON, changed in place."""

    def fault(_: Any, proceed: Proceed) -> Any:
        answer = proceed()
        content = answer.json()
        change(content)
        return answer.with_json(content)

    return fault


@dataclass(slots=True, eq=False)
class _Planned:
    action: str  # "*": any
    fault: Fault
    left: int | None  # None: until it is taken back


class Plan:
    """What goes wrong, in the order in which it was planned. One lock guards the plan."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []
        self._lock = threading.Lock()

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
        with self.during(action, self._hang):
            try:
                yield
            finally:
                self._release()

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._planned.clear()
        self._release()

    def _due(self, request: Any) -> Fault | None:
        """What goes wrong with this request, which then has gone wrong once more."""
        with self._lock:
            due = next((p for p in self._planned if p.action in {"*", request.action} and p.left != 0), None)
            if due is not None and due.left is not None:
                due.left -= 1
        return due.fault if due else None

    def _hang(self, request: Any, proceed: Proceed) -> Any:
        """No answer until `_release`."""
        raise NotImplementedError

    def _release(self) -> None:
        raise NotImplementedError
