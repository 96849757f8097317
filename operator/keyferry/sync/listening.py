"""Sources of hints that come from the backend: heard for as long as their store lives, started again when they break.

What is heard here goes the way of every hint, and whether it is heard has no part in whether the store is ready.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from contextvars import Context
from dataclasses import dataclass, field

from keyferry import metrics
from keyferry.backends.base import Heard, Hints
from keyferry.errors import AuthFailed, BackendUnavailable, Retry, SyncError, Throttled
from keyferry.log import about
from keyferry.schedule.restarts import Restarts
from keyferry.sync.boundary import guarded
from keyferry.values import StoreKey

_LOG = logging.getLogger(__name__)

SOURCE = "events"  # as `spec.provider.….events`
_SILENCE_SECONDS = 120.0  # a source that says nothing for so long is broken
_CAP_SECONDS = 5.0  # hints come again within seconds of the recovery
_REFUSED_CAP_SECONDS = 15.0  # a login that is refused is not hammered
_STALLED_SECONDS = 60.0  # an edit of the store makes another listener, at once
_PATIENCE_SECONDS = 60.0  # that a source may ask for
_STOP_SECONDS = 10.0

State = SyncError | bool | None  # why it is not heard; whether there is a source at all; None: nobody knows yet


@dataclass(slots=True)
class Listeners:
    """Who listens for the stores of a shard: a task for each store that names a source. One event loop owns them.

    `hinted` takes a hint, `nudge` reaches the queue of stores when what is to be told of one has changed.
    """

    hinted: Callable[[StoreKey, str], None]
    nudge: Callable[[StoreKey], None]
    _listeners: dict[StoreKey, "_Listener"] = field(default_factory=dict, init=False)
    _tasks: dict[StoreKey, asyncio.Task[None]] = field(default_factory=dict, init=False)
    _ceased: bool = field(default=False, init=False)

    def start(self, key: StoreKey, source: Hints) -> None:
        """Listen to a store's source, where it names one. Nobody must be listening for that store."""
        if self._ceased or source.hints() is None:
            return
        self._listeners[key] = listener = _Listener(key, source, self)
        self._tasks[key] = asyncio.create_task(listener.keep(), context=Context())  # no part of what began it

    async def stop(self, key: StoreKey) -> None:
        """Listen no more, and return when nothing is left of it."""
        self._listeners.pop(key, None)
        if task := self._tasks.pop(key, None):
            task.cancel()
            await asyncio.wait({task}, timeout=_STOP_SECONDS)
            metrics.LISTENING.remove_by_labels({"store": str(key)})  # a source that nobody listens to is not unheard

    def cease(self) -> None:
        """The shard is lost or given up: from this moment on hints are left for whoever has it next."""
        self._ceased = True
        for task in self._tasks.values():
            task.cancel()

    def state(self, key: StoreKey) -> State:
        """Whether a store's source is heard."""
        listener = self._listeners.get(key)
        return listener.state if listener else False


@dataclass(slots=True)
class _Listener:
    """Hears one source, and starts it again when it breaks."""

    key: StoreKey
    source: Hints
    owner: Listeners
    state: State = None
    _heard_at: float | None = None  # the first word since it was last started

    async def keep(self) -> None:
        """Listen for ever."""
        restarts = Restarts()
        while (heard := self.source.hints()) is not None:
            self._heard_at = None
            trouble = await self._listen(heard)
            self._turned(trouble)
            pause = restarts.broke(worked=self._worked(), cap=_cap(trouble), chance=random.random)
            await asyncio.sleep(max(pause, _asked(trouble)))

    async def _listen(self, heard: AsyncGenerator[Heard, None]) -> SyncError:
        """Take hints until the source breaks; returns why it did."""
        async with aclosing(heard):
            while True:
                trouble = await guarded(self._step(heard), "a word of the source of events", within=_SILENCE_SECONDS)
                if trouble is not None:
                    return trouble

    async def _step(self, heard: AsyncGenerator[Heard, None]) -> None:
        word = await anext(heard, None)
        if word is None:
            raise BackendUnavailable("the source of events has ended")
        if self._heard_at is None:
            self._heard_at = _now()
        # While it was not heard something may have been missed.
        if word is Heard.CHANGE or isinstance(self.state, SyncError):
            self.owner.hinted(self.key, SOURCE)
        self._turned(None)

    def _worked(self) -> float | None:
        """For how long the source has been heard since it was last started; None: not at all."""
        return None if self._heard_at is None else _now() - self._heard_at

    def _turned(self, trouble: SyncError | None) -> None:
        """The source is heard, or is not: tell it where that is news."""
        state = trouble or True
        if (type(state), str(state)) == (type(self.state), str(self.state)):
            return
        self.state = state
        metrics.LISTENING.labels(str(self.key)).set(trouble is None)
        fields = about(self.key.kind, self.key.namespace, self.key.name, trouble.reason if trouble else "Listening")
        if trouble:
            _LOG.warning("%s does not hear of changes: %s: %s", self.key, trouble.reason, trouble, extra=fields)
        else:
            _LOG.info("%s hears of changes", self.key, extra=fields)
        self.owner.nudge(self.key)


def _cap(trouble: SyncError) -> float:
    if trouble.retry is Retry.ON_CHANGE:
        return _STALLED_SECONDS
    return _REFUSED_CAP_SECONDS if isinstance(trouble, AuthFailed) else _CAP_SECONDS


def _asked(trouble: SyncError) -> float:
    """How long the source itself asks to wait."""
    return min(_PATIENCE_SECONDS, (isinstance(trouble, Throttled) and trouble.retry_after) or 0.0)


def _now() -> float:
    return asyncio.get_running_loop().time()
