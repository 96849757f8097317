"""Faults of the AWS stand-in: each takes a request and the way on, and answers as a bad day would have it."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from tests.standins.aws_wire import Answer, AwsError, Request
from tests.standins.faults import Fault, Plan, broken_off, changing, truncated

__all__ = [
    "Fault",
    "Faults",
    "Stale",
    "Throttle",
    "body",
    "broken_off",
    "changing",
    "delay",
    "error",
    "first",
    "leaving_out",
    "reset",
    "truncated",
]
Proceed = Callable[[], Answer]


def error(code: str, status: int = 400, message: str = "injected", retry_after: int | None = None) -> Fault:
    """AWS refuses with this code."""

    def fault(request: Request, _: Proceed) -> Answer:
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return AwsError(code, message, status, headers).answer(request.service)

    return fault


def body(content: bytes, status: int = 200) -> Fault:
    """Whatever was asked, this is the answer."""
    return lambda _, __: Answer(status, content, {"Content-Type": "application/x-amz-json-1.1"})


def delay(seconds: float) -> Fault:
    """The answer is right, and late."""

    def fault(_: Request, proceed: Proceed) -> Answer:
        time.sleep(seconds)
        return proceed()

    return fault


def reset() -> Fault:
    """The connection is reset, with no answer."""
    return lambda _, __: Answer(200, b"", reset=True)


def leaving_out(*names: str) -> Fault:
    """Half an answer: nothing is said of these secrets."""

    def fault(_: Request, proceed: Proceed) -> Answer:
        answer = proceed()
        content = answer.json()
        for part in ("SecretValues", "Errors", "SecretList"):
            if part in content:
                content[part] = [e for e in content[part] if not _is_about(e, names)]
        return answer.with_json(content)

    return fault


def _is_about(entry: dict[str, str], names: tuple[str, ...]) -> bool:
    said = {entry.get("Name"), entry.get("ARN"), entry.get("SecretId")}
    return any(name in said or any(f":secret:{name}-" in (each or "") for each in said) for name in names)


def first(fault: Fault, matching: Callable[[Request], bool]) -> Fault:
    """The first request that matches goes wrong so; all others, earlier and later, are answered rightly."""
    lock, met = threading.Lock(), False

    def once(request: Request, proceed: Proceed) -> Answer:
        nonlocal met
        with lock:
            due, met = matching(request) and not met, met or matching(request)
        return fault(request, proceed) if due else proceed()

    return once


class Throttle:
    """More than `rate` calls in any second are refused."""

    def __init__(self, rate: int, retry_after: int | None = None) -> None:
        self._rate, self._retry_after = rate, retry_after
        self._taken: list[float] = []
        self._lock = threading.Lock()
        self.refused = 0

    def __call__(self, request: Request, proceed: Proceed) -> Answer:
        now = time.monotonic()
        with self._lock:
            self._taken = [at for at in self._taken if at > now - 1]
            full = len(self._taken) >= self._rate
            self.refused += full
            if not full:
                self._taken.append(now)
        if full:
            headers = {} if self._retry_after is None else {"Retry-After": str(self._retry_after)}
            return AwsError("ThrottlingException", "Rate exceeded", 400, headers).answer(request.service)
        return proceed()


class Stale:
    """ListSecrets as AWS documents it: eventually consistent. Same questions get the answers of before."""

    def __init__(self) -> None:
        self._answers: dict[bytes, Answer] = {}

    def __call__(self, request: Request, proceed: Proceed) -> Answer:
        if request.body not in self._answers:
            self._answers[request.body] = proceed()
        return self._answers[request.body]


class Faults(Plan):
    """What goes wrong. Who hangs waits in its connection's thread."""

    def __init__(self) -> None:
        super().__init__()
        self._released = threading.Event()

    def answer(self, request: Request, proceed: Callable[[], Answer]) -> Answer:
        """The answer, as the plan has it."""
        due = self._due(request)
        answer: Answer = due(request, proceed) if due else proceed()
        return answer

    @contextlib.contextmanager
    def silence(self, action: str = "*") -> Iterator[None]:
        self._released.clear()
        with super().silence(action):
            yield

    def _hang(self, _: Request, __: Proceed) -> Answer:
        self._released.wait(60)
        return Answer(200, b"", reset=True)

    def _release(self) -> None:
        self._released.set()
