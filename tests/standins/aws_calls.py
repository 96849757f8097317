"""The log of what the AWS stand-in was asked."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.standins.aws_wire import Request


@dataclass(frozen=True, slots=True)
class Call:
    """One call: what, by whose key, about what."""

    action: str
    key_id: str | None
    params: dict[str, Any] = field(repr=False)

    @property
    def ids(self) -> list[str]:
        """The secrets that it asked for."""
        return self.params.get("SecretIdList") or [self.params[name] for name in ("SecretId",) if name in self.params]


class Calls:
    """Counts by action, in the order they came. One lock guards it."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._pending = 0
        self._lock = threading.Condition()

    def note(self, request: Request) -> None:
        with self._lock:
            self._calls.append(Call(request.action, request.key_id, dict(request.params)))
            self._pending += 1
            self._lock.notify_all()

    def answered(self) -> None:
        """One of them has its answer."""
        with self._lock:
            self._pending -= 1

    @property
    def pending(self) -> int:
        """How many have no answer yet."""
        with self._lock:
            return self._pending

    def wait_for(self, count: int, seconds: float = 10.0) -> None:
        """Return when there were so many calls in all. Raises TimeoutError where there are not, after a while."""
        with self._lock:
            if not self._lock.wait_for(lambda: len(self._calls) >= count, seconds):
                raise TimeoutError(f"{len(self._calls)} calls in {seconds:g} s, not {count}")

    def all(self, action: str | None = None) -> list[Call]:
        with self._lock:
            return [call for call in self._calls if action in {None, call.action}]

    def count(self, action: str | None = None) -> int:
        """How many calls there were of this action, or in all."""
        return len(self.all(action))

    def counts(self) -> dict[str, int]:
        """How many calls there were of each action."""
        return dict(Counter(call.action for call in self.all()))

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()
