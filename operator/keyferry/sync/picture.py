"""The picture of the cluster that all work goes by: learnt by lists before any work begins, kept true by watches."""

import asyncio
import contextlib
import logging
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field

from keyferry.errors import KubeUnavailable
from keyferry.kube.client import JSON, METADATA_LIST, Json, Kube, path
from keyferry.kube.errors import KubeError, NotFound
from keyferry.kube.fence import Clock
from keyferry.kube.metadata_watch import SecretWatch
from keyferry.kube.reach import Reach
from keyferry.kube.status import API
from keyferry.log import Trouble
from keyferry.sync.kinds import Kinds
from keyferry.sync.waking import Waking

_LOG = logging.getLogger(__name__)
_PAGE = "500"
_RETRY_SECONDS = 2.0
_RELIST_SECONDS = 300.0
_FIRST_RELIST_SECONDS = 30.0  # by then watches tell of everything; of what went before that, nobody did
_LAG_SECONDS = 5.0  # how far a watch may be behind a list
_DEAF_RELISTS = 3  # that found what no watch told of: a quarter of an hour

_IN_NAMESPACES = {"secretstores": API, "externalsecrets": API}
_RESOURCES = {"namespaces": "v1", "clustersecretstores": API, **_IN_NAMESPACES}


@dataclass(slots=True)
class Picture:
    """Everything there is, as lists tell it. One event loop owns it; what watches tell comes beside it at any time."""

    kube: Kube
    waking: Waking
    secret_watch: SecretWatch
    clock: Clock
    kinds: Kinds = field(init=False)
    _trouble: Trouble = field(default_factory=lambda: Trouble("cannot see what there is", _LOG), init=False)
    _lack: str = field(default="", init=False)
    _began: float = field(default=float("-inf"), init=False)  # when the last list of everything began
    _learning: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _untold: Counter[str] = field(default_factory=Counter, init=False)  # relists since a watch last told of a resource

    def __post_init__(self) -> None:
        self.kinds = Kinds(self.kube, self.reach)

    def told(self, resource: str, body: Json, *, deleted: bool) -> None:
        """A watch tells of an object, be it news or not."""
        self._untold.pop(resource, None)
        self._see(resource)(body, deleted=deleted)

    @property
    def deaf(self) -> str | None:
        """What relists have found news of for a quarter of an hour, while no watch told of any; None where all is well.

        A quiet watch is no dead one: only what changed and was not told counts.
        """
        return next((resource for resource, relists in self._untold.items() if relists >= _DEAF_RELISTS), None)

    async def learn(self) -> None:
        """See everything once before any work begins, so that no work is done on half a picture."""
        async with self._learning:
            await self._learn()

    async def learn_since(self, moment: float) -> None:
        """Have seen everything at that time of the clock or later, however far behind the watches are."""
        async with self._learning:
            if self._began < moment:
                await self._learn()

    async def keep(self) -> None:
        """Now and then make good what no watch told of: what is gone (Kopf's lists tell of none), and what is new."""
        pause = _FIRST_RELIST_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = _RELIST_SECONDS
            try:
                for resource in self._resources:
                    await self._relist(resource)
                await self._learn_own_namespaces()
            except (KubeError, KubeUnavailable) as failure:
                _LOG.warning("cannot see what watches may have missed: %s", failure)

    @property
    def waits_for(self) -> str:
        """What keeps everything from being seen; empty where nothing does, as far as is known."""
        return self.kinds.unfit or self.kinds.unseen or self._lack

    async def _learn(self) -> None:
        while True:
            began = self.clock()
            try:
                await self._learn_all()
            except NotFound as missing:
                self._lack = f"a kind is not there: {missing}"
                self._trouble.caused_by(missing)
                await self.kinds.there()
            except (KubeError, KubeUnavailable) as failure:
                self._lack = f"cannot see what there is: {failure}"
                self._trouble.caused_by(failure)
            else:
                self._began, self._lack = began, ""
                self._trouble.over()
                return
            await asyncio.sleep(_RETRY_SECONDS)

    async def _learn_all(self) -> None:
        await self.secret_watch.list()
        await self._learn_own_namespaces()
        for resource in self._resources:
            with self.waking.deletions.heard() as gone:
                listed = _Listed()
                async for body in self._all(resource, JSON, listed):
                    if body["metadata"]["uid"] not in gone:
                        self._see(resource)(body, deleted=False)
            self.waking.only(resource, listed.names, listed.version)

    async def _learn_own_namespaces(self) -> None:
        """Where the operator was told its namespaces it may read each, but neither list nor watch them."""
        for name in self.reach.namespaces:
            try:
                self.waking.namespace(await self.kube.get(path("v1", "namespaces", name=name)), deleted=False)
            except NotFound:
                self.waking.namespace_gone(name)

    async def _relist(self, resource: str) -> None:
        listed = _Listed()
        news = [item async for item in self._all(resource, METADATA_LIST, listed) if self.waking.news(resource, item)]
        self.waking.only(resource, listed.names, listed.version)
        if news:
            await asyncio.sleep(_LAG_SECONDS)
            await self._make_good(resource, news)

    async def _make_good(self, resource: str, news: list[Json]) -> None:
        """See those that a watch should have told of by now."""
        untold = 0
        for item in news:
            if not self.waking.news(resource, item):
                continue
            with self.waking.deletions.heard() as gone, contextlib.suppress(NotFound):
                body = await self.kube.one(_RESOURCES[resource], resource, *_named(item))
                if body["metadata"]["uid"] not in gone and self.waking.news(resource, body):
                    self._see(resource)(body, deleted=False)
                    untold += 1
        if untold:
            self._untold[resource] += 1
            _LOG.warning("a list has %d %s that are new or changed, and no watch told of them", untold, resource)

    def _see(self, resource: str) -> Callable[..., None]:
        see = {"namespaces": self.waking.namespace, "externalsecrets": self.waking.external_secret}
        return see.get(resource, self.waking.store)

    @property
    def reach(self) -> Reach:
        """Which namespaces are seen."""
        return self.waking.watched.reach

    @property
    def _resources(self) -> Collection[str]:
        """What is listed."""
        return _RESOURCES if self.reach.everywhere else _IN_NAMESPACES

    async def _all(self, resource: str, accept: str, listed: "_Listed") -> AsyncIterator[Json]:
        """Every object there is of a resource."""
        for place in self.reach.places:
            at, query = path(_RESOURCES[resource], resource, place), {"limit": _PAGE}
            while True:
                page = await self.kube.get(at, accept=accept, **query)
                for item in page.get("items") or ():
                    listed.names.add(_named(item))
                    yield item
                if not (more := page["metadata"].get("continue")):
                    break
                query["continue"] = more
            listed.version = min(listed.version, int(page["metadata"]["resourceVersion"]))


@dataclass(slots=True)
class _Listed:
    """What lists of a resource had, and the version that all of them are as new as."""

    names: set[tuple[str, str]] = field(default_factory=set)
    version: int = sys.maxsize


def _named(item: Json) -> tuple[str, str]:
    return item["metadata"].get("namespace") or "", item["metadata"]["name"]
