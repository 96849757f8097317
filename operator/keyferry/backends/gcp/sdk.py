"""Everything that touches Google's client and gRPC. Imported on first use and in a thread: 0.2 s and 20 MiB.

The client is the official asynchronous one, over a channel of the store's own. It gets no credentials: every call
carries the token of its moment, and the client neither logs in nor retries by itself.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.secretmanager_v1.services.secret_manager_service import SecretManagerServiceAsyncClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
    SecretManagerServiceGrpcAsyncIOTransport,
)
from google.rpc.error_details_pb2 import RetryInfo

from keyferry.backends.gcp.errors import About, Failure, told
from keyferry.backends.gcp.tokens import Bearer
from keyferry.backends.route import Route
from keyferry.errors import BackendUnavailable

T = TypeVar("T")
Call = Callable[[Any, dict[str, Any]], Awaitable[T]]  # of the client, with these options

PATIENCE = 0.9  # of the store's timeout: so that gRPC's error, which tells more, comes before the budget's
_LARGEST_ANSWER = 64 * 1024 * 1024  # bytes; a page of the catalogue at its largest has some ten million
_LOUD = ("google", "grpc")  # they log whole requests and answers at debug level
_OPTIONS = (
    ("grpc.max_receive_message_length", _LARGEST_ANSWER),
    ("grpc.use_local_subchannel_pool", 1),  # else stores with the same address share each other's broken connections
    ("grpc.enable_retries", 0),  # the scheduler retries, and only it
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.primary_user_agent", "keyferry"),
)
_CLOSED = "the store changed in the meantime; the next try uses the new one"


class Client:
    """Secret Manager at one address. One event loop owns it.

    A channel that could not connect waits longer and longer before it tries again, and one whose peer went silent does
    not notice for minutes. So whatever failed to answer is not asked a second time: the next call opens a new channel.
    """

    def __init__(self, target: str, ca: bytes | None, timeout: float, route: Route) -> None:
        for name in _LOUD:
            logging.getLogger(name).setLevel(logging.WARNING)
        self.host = target.removesuffix(":443")
        self._target = target
        self._route = route
        self._options = (*_OPTIONS, _way(route, target))
        self._trust = grpc.ssl_channel_credentials(root_certificates=ca)
        self._timeout = timeout * PATIENCE
        self._channel: Any = None
        self._client: Any = None
        self._stale = True  # whether the next call opens a new channel
        self._retired: set[asyncio.Task[None]] = set()
        self._closed = False

    async def ask(self, about: About, bearer: Bearer, call: Call[T]) -> T:
        """What the call gives. Raises SyncError."""
        how = {"retry": None, "timeout": self._timeout, "metadata": [("authorization", f"Bearer {bearer.text}")]}
        client, channel = self._ready()
        try:
            with mapped(about, self._route):
                return await call(client, how)
        except BackendUnavailable as e:
            if _lost(e.__cause__) and channel is self._channel:
                self._stale = True
            raise

    async def aclose(self) -> None:
        """Close every channel; calls that are under way end."""
        self._closed = True
        for task in self._retired:
            task.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)
        if self._channel is not None:
            await self._channel.close()
        self._channel = self._client = None  # gRPC's own thread ends with the last channel

    def _ready(self) -> tuple[Any, Any]:
        if self._closed:
            raise BackendUnavailable(_CLOSED)
        if self._stale:
            if self._channel is not None:
                task = asyncio.create_task(self._retire(self._channel))
                self._retired.add(task)
                task.add_done_callback(self._retired.discard)
            self._channel = grpc.aio.secure_channel(self._target, self._trust, options=self._options)
            transport = SecretManagerServiceGrpcAsyncIOTransport(channel=self._channel)
            self._client = SecretManagerServiceAsyncClient(transport=transport)
            self._stale = False
        return self._client, self._channel

    async def _retire(self, channel: Any) -> None:
        """Close it when the calls that it still has are answered."""
        try:
            await channel.close(grace=self._timeout)
        except asyncio.CancelledError:
            await channel.close()
            raise


def _way(route: Route, target: str) -> tuple[str, str | int]:
    """The proxy as gRPC takes it. Its own reading of the environment counts for nothing: ours is the same for all."""
    os.environ["no_grpc_proxy"] = ""  # noqa: SIM112 - its name
    proxy = route.to(f"https://{target}")
    return ("grpc.http_proxy", proxy.url) if proxy else ("grpc.enable_http_proxy", 0)


@contextmanager
def mapped(about: About, route: Route) -> Iterator[None]:
    """Whatever the client raises inside becomes one of our errors."""
    try:
        yield
    except GoogleAPICallError as e:
        raise route.fault(e, about.operation, f"https://{about.host}") or told(_failure(e), about) from e
    except grpc.aio.UsageError as e:  # the channel was closed
        raise BackendUnavailable(_CLOSED) from e
    except asyncio.CancelledError as e:
        if _cancelled():
            raise
        raise BackendUnavailable(_CLOSED) from e


def _lost(error: BaseException | None) -> bool:
    """Whether it may be the connection that failed, and not what is at its other end."""
    lost = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    return isinstance(error, GoogleAPICallError) and error.grpc_status_code in lost


def _failure(error: GoogleAPICallError) -> Failure:
    code = error.grpc_status_code
    retry = next((each for each in error.details if isinstance(each, RetryInfo)), None)
    return Failure(
        status=code.name if code else "",
        message=str(error.message or ""),
        reason=str(error.reason or ""),
        retry_after=retry.retry_delay.ToNanoseconds() / 1e9 if retry else None,
    )


def _cancelled() -> bool:
    """Whether it is the caller that was cancelled, and not the call because its channel was closed."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
