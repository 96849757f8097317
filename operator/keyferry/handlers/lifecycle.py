"""How Kopf runs: in a thread and an event loop of its own, as a reader of events and nothing more.

In one loop with us, Kopf would take our tasks for its own when it ends, and our signals with them.
"""

import asyncio
import contextlib
import datetime as dt
import functools
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import kopf

from keyferry.handlers.wording import Pauses, reword
from keyferry.kube.client import configuration
from keyferry.kube.reach import Reach
from keyferry.schedule.loop import Loop

Call = Callable[..., None]  # call(function, *arguments, **keywords): run it in the operator's own loop

_LOG = logging.getLogger(__name__)
_PAUSE_SECONDS = 5.0
_STOP_SECONDS = 5.0
_WORKERS = 64  # of Kopf, at once: more would only take memory
_LOGIN_LASTS = dt.timedelta(minutes=10)  # then Kopf asks again, so that a renewed token is used in time


def settings() -> kopf.OperatorSettings:
    """Kopf as a reader of events: it posts none, scans for nothing and stores nothing."""
    made = kopf.OperatorSettings()
    made.posting.enabled = False
    made.scanning.disabled = True
    made.peering.standalone = True
    made.watching.server_timeout = 290
    made.watching.client_timeout = 320
    made.networking.error_backoffs = Pauses()
    # Our handlers await nothing: a worker that lingered would only hold back the next object.
    made.queueing.worker_limit = _WORKERS
    made.queueing.idle_timeout = 0.01
    made.queueing.batch_window = 0.0
    made.persistence.diffbase_storage = _NoDiff()
    return made


class _NoDiff(kopf.DiffBaseStorage):
    """Nobody here is told what differs, so nothing is kept to tell it, and no object is copied for it."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        """Nothing."""


def register(registry: kopf.OperatorRegistry) -> None:
    """Our own registry brings no login of its own; Kopf logs in as the rest of the operator does."""

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        loaded = await configuration()
        scheme, _separator, token = str(loaded.api_key.get("BearerToken", "")).partition(" ")
        return kopf.ConnectionInfo(
            server=loaded.host,
            ca_path=loaded.ssl_ca_cert,
            insecure=not loaded.verify_ssl,
            scheme=scheme or None,
            token=token or None,
            certificate_path=loaded.cert_file,
            private_key_path=loaded.key_file,
            expiration=dt.datetime.now(dt.UTC) + _LOGIN_LASTS,
        )


async def see(
    register_all: Callable[[kopf.OperatorRegistry, Call], None], reach: Reach, there: Callable[[], Awaitable[None]]
) -> None:
    """Run Kopf until cancelled; where it ends by itself, run it again after a pause.

    `there` returns when there is all that it is to see: Kopf looks for it at its start, and not again.
    """
    loop = asyncio.get_running_loop()
    reword()

    def call(function: Callable[..., None], *arguments: Any, **keywords: Any) -> None:
        with contextlib.suppress(RuntimeError):  # our loop has ended: nobody is left to be told
            loop.call_soon_threadsafe(functools.partial(function, *arguments, **keywords))

    while True:
        await there()
        registry, stop, ended = kopf.OperatorRegistry(), threading.Event(), asyncio.Event()
        register_all(registry, call)
        seeing = kopf.operator(
            registry=registry,
            settings=settings(),
            clusterwide=reach.everywhere,
            namespaces=reach.namespaces,
            standalone=True,
            stop_flag=stop,
        )
        threading.Thread(target=_run, args=(seeing, stop, functools.partial(call, ended.set)), daemon=True).start()
        try:
            await ended.wait()
        finally:
            stop.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await ended.wait()
        _LOG.warning("Kopf has stopped seeing; it is started again")
        await asyncio.sleep(_PAUSE_SECONDS)


def _run(seeing: Coroutine[Any, Any, None], stop: threading.Event, ended: Callable[[], None]) -> None:
    """Kopf's thread."""
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(_seen(seeing, stop))
    finally:
        ended()


async def _seen(seeing: Coroutine[Any, Any, None], stop: threading.Event) -> None:
    """Return when Kopf has ended, and say why where nobody has asked it to."""
    task = asyncio.create_task(seeing)
    await asyncio.wait({task})
    stop.set()  # a thread of Kopf's waits for it, and its loop does not close before that has ended
    if not task.cancelled() and (error := task.exception()):
        _LOG.warning("Kopf has ended: %s", type(error).__name__)
