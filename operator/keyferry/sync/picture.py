"""The picture of the cluster that all work goes by: learnt by lists before any work begins, kept true by watches."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from keyferry.errors import KubeUnavailable
from keyferry.kube.client import JSON, METADATA_LIST, At, Json, Kube, path
from keyferry.kube.errors import KubeError, NotFound
from keyferry.kube.fence import Clock
from keyferry.kube.metadata_watch import SecretWatch
from keyferry.kube.status import API
from keyferry.sync.waking import Waking

_LOG = logging.getLogger(__name__)
_PAGE = "500"
_RETRY_SECONDS = 2.0
_RELIST_SECONDS = 300.0
_FIRST_RELIST_SECONDS = 30.0  # by then watches tell of everything; of what went before that, nobody did

_RESOURCES = {
    "namespaces": path("v1", "namespaces"),
    "clustersecretstores": path(API, "clustersecretstores"),
    "secretstores": path(API, "secretstores"),
    "externalsecrets": path(API, "externalsecrets"),
}


@dataclass(slots=True)
class Picture:
    """Everything there is, as lists tell it. One event loop owns it; what watches tell comes beside it at any time."""

    kube: Kube
    waking: Waking
    secret_watch: SecretWatch
    clock: Clock
    _began: float = field(default=float("-inf"), init=False)  # when the last list of everything began
    _learning: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def learn(self) -> str:
        """See everything once before any work begins, so that no work is done on half a picture.

        Returns the version to watch Secrets from.
        """
        async with self._learning:
            return await self._learn()

    async def learn_since(self, moment: float) -> None:
        """Have seen everything at that time of the clock or later, however far behind the watches are."""
        async with self._learning:
            if self._began < moment:
                await self._learn()

    async def keep(self) -> None:
        """Now and then forget what is gone: a deletion that no watch told of (Kopf's lists tell of none)."""
        pause = _FIRST_RELIST_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = _RELIST_SECONDS
            try:
                for resource, at in _RESOURCES.items():
                    await self._prune(resource, at)
            except (KubeError, KubeUnavailable) as failure:
                _LOG.warning("cannot see what is gone: %s", failure)

    async def _learn(self) -> str:
        while True:
            began = self.clock()
            try:
                version = await self._learnt()
            except NotFound:
                _LOG.warning("Keyferry's CRDs are not there yet: install the chart, or apply crds/; waiting for them")
            except (KubeError, KubeUnavailable) as failure:
                _LOG.warning("cannot see what there is: %s; trying again", failure)
            else:
                self._began = began
                return version
            await asyncio.sleep(_RETRY_SECONDS)

    async def _learnt(self) -> str:
        version = await self.secret_watch.list()
        see = {
            "namespaces": self.waking.namespace,
            "clustersecretstores": self.waking.store,
            "secretstores": self.waking.store,
            "externalsecrets": self.waking.external_secret,
        }
        for resource, at in _RESOURCES.items():
            listed: set[tuple[str, str]] = set()
            with self.waking.deletions.heard() as gone:
                async for page in self._pages(at, JSON):
                    for body in page.get("items") or ():
                        if body["metadata"]["uid"] not in gone:
                            see[resource](body, deleted=False)
                        listed.add(_named(body))
            self.waking.only(resource, listed, int(page["metadata"]["resourceVersion"]))
        return version

    async def _prune(self, resource: str, at: At) -> None:
        listed: set[tuple[str, str]] = set()
        version = "0"
        async for page in self._pages(at, METADATA_LIST):
            version = page["metadata"]["resourceVersion"]
            listed |= {_named(item) for item in page.get("items") or ()}
        self.waking.only(resource, listed, int(version))

    async def _pages(self, at: At, accept: str) -> AsyncIterator[Json]:
        query = {"limit": _PAGE}
        while True:
            page = await self.kube.get(at, accept=accept, **query)
            yield page
            if not (more := page["metadata"].get("continue")):
                return
            query["continue"] = more


def _named(item: Json) -> tuple[str, str]:
    return item["metadata"].get("namespace") or "", item["metadata"]["name"]
