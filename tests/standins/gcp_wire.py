"""The stand-in's gRPC: requests and answers in the official package's own messages, over TLS, or deliberately not."""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from tests.standins.gcp_tls import Certified

SERVICE = "google.cloud.secretmanager.v1.SecretManagerService"
THREADS = 16
Proceed = Callable[[], Any]
Fault = Callable[[Any, Proceed], Any]  # takes a request and the way on, and answers as a bad day would have it


class GcpError(Exception):
    """An error of Google's, raised where it is found."""

    def __init__(
        self, status: str, message: str = "injected", *, reason: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.reason, self.retry_after = status, message, reason, retry_after

    def as_status(self) -> Any:
        """As gRPC sends it."""
        details = []
        if self.reason:
            details.append(_packed(ErrorInfo(reason=self.reason, domain="googleapis.com")))
        if self.retry_after is not None:
            info = RetryInfo()
            info.retry_delay.FromNanoseconds(int(self.retry_after * 1e9))
            details.append(_packed(info))
        code = grpc.StatusCode[self.status].value[0]
        return rpc_status.to_status(Status(code=code, message=self.message, details=details))


def _packed(message: Any) -> Any:
    packed = Packed()
    packed.Pack(message)
    return packed


def error(status: str, message: str = "injected", **more: Any) -> Fault:
    """Google refuses so. `more`: as for GcpError."""

    def fault(_: Any, __: Proceed) -> Any:
        raise GcpError(status, message, **more)

    return fault


def changing(change: Callable[[Any], Any]) -> Fault:
    """The answer, changed in place."""

    def fault(_: Any, proceed: Proceed) -> Any:
        answer = proceed()
        change(answer)
        return answer

    return fault


@dataclass(frozen=True, slots=True)
class Call:
    """One call: what, by whom, about what."""

    method: str
    resource: str
    request: Any = field(repr=False)
    peer: str = ""  # the address of the connection that it came by


class Calls:
    """The log of what was asked, in the order it came. One lock guards it."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._lock = threading.Condition()

    def note(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)
            self._lock.notify_all()

    def wait_for(self, count: int, seconds: float = 10.0) -> None:
        """Return when there were so many calls in all. Raises TimeoutError where there are not, after a while."""
        with self._lock:
            if not self._lock.wait_for(lambda: len(self._calls) >= count, seconds):
                raise TimeoutError(f"{len(self._calls)} calls in {seconds:g} s, not {count}")

    def all(self, method: str | None = None) -> list[Call]:
        with self._lock:
            return [call for call in self._calls if method in {None, call.method}]

    def count(self, method: str | None = None) -> int:
        """How many calls there were of this method, or in all."""
        return len(self.all(method))

    def counts(self) -> dict[str, int]:
        """How many calls there were of each method."""
        return dict(Counter(call.method for call in self.all()))

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()


class Faults:
    """What goes wrong, by method; "*": whatever is asked. One lock guards the plan."""

    def __init__(self) -> None:
        self._planned: list[tuple[str, Fault]] = []
        self._lock = threading.Lock()
        self._released = threading.Event()

    @contextlib.contextmanager
    def during(self, method: str, fault: Fault) -> Iterator[None]:
        """The method goes wrong so while inside."""
        planned = (method, fault)
        with self._lock:
            self._planned.append(planned)
        try:
            yield
        finally:
            with self._lock:
                self._planned.remove(planned)

    def once(self, method: str, fault: Fault) -> None:
        """The next call of the method goes wrong so."""

        def first(request: Any, proceed: Proceed) -> Any:
            with self._lock:
                self._planned.remove((method, first))
            return fault(request, proceed)

        with self._lock:
            self._planned.append((method, first))

    @contextlib.contextmanager
    def silence(self) -> Iterator[None]:
        """Calls are taken and not answered while inside."""
        self._released.clear()

        def hang(_: Any, __: Proceed) -> Any:
            self._released.wait(60)
            raise GcpError("UNAVAILABLE")

        with self.during("*", hang):
            try:
                yield
            finally:
                self._released.set()

    def answer(self, method: str, request: Any, proceed: Proceed) -> Any:
        """The answer, as the plan has it."""
        with self._lock:
            due = next((fault for name, fault in self._planned if name in {"*", method}), None)
        return due(request, proceed) if due else proceed()


class Listener:
    """Answers on a port of 127.0.0.1, over TLS; can go away and come back there."""

    def __init__(self, methods: Mapping[str, Any], tls: Certified, respond: Callable[..., Any]) -> None:
        self._methods, self._tls, self._respond = methods, tls, respond
        self.port = 0
        self._server: Any = None
        self.up()

    def up(self) -> None:
        """Listen, on the same port as before."""
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="gcp stand-in")
        all_here = threading.Barrier(THREADS)  # none of them comes later, where it would seem to be somebody else's
        list(self._threads.map(lambda _: all_here.wait(10), range(THREADS)))
        self._server = grpc.server(self._threads, options=[("grpc.so_reuseport", 0)])
        handlers = {name: self._handler(name, method) for name, method in self._methods.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        trust = grpc.ssl_server_credentials([(self._tls.key, self._tls.certificate)])
        self.port = self._server.add_secure_port(f"127.0.0.1:{self.port}", trust)
        self._server.start()

    def down(self) -> None:
        """Stop listening, and break what is open."""
        self._server.stop(None).wait(10)
        self._threads.shutdown(wait=False)

    def _handler(self, name: str, method: Any) -> Any:
        types = method.__annotations__
        asked, given = types["request"], types["return"]

        def answer(request: Any, context: Any) -> Any:
            bearer = dict(context.invocation_metadata()).get("authorization", "").removeprefix("Bearer ")
            try:
                return self._respond(name, request, bearer, context.peer())
            except GcpError as e:
                refusal = e
            context.abort_with_status(refusal.as_status())
            return None

        serialize = given.serialize if hasattr(given, "serialize") else given.SerializeToString
        return grpc.unary_unary_rpc_method_handler(answer, asked.deserialize, serialize)
