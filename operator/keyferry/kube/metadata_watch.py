"""A watch of Secrets as metadata: it never lists their values."""

import asyncio
import logging
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from keyferry.errors import KubeUnavailable, SyncError
from keyferry.kube.client import METADATA, METADATA_LIST, At, Kube, named, path
from keyferry.kube.errors import Gone, KubeError
from keyferry.kube.reach import Reach
from keyferry.kube.secrets import SecretMeta, meta_of
from keyferry.kube.watched import Deletions
from keyferry.log import Trouble
from keyferry.schedule import backoff
from keyferry.values import Key

_LOG = logging.getLogger(__name__)
_WATCH_SECONDS = 290
_PAUSE_SECONDS, _PAUSE_CAP_SECONDS = 1.0, 5.0  # it is the way back to work: short, however long the trouble lasts
_PAGE = "500"
_FRESH_SECONDS = 90.0  # the API server sends a bookmark every minute where nothing else happens; silence is no watch


class SecretWatch:
    """Calls `seen` with every Secret that appears, changes or goes, within the reach; `known` is what there is."""

    def __init__(self, kube: Kube, known: dict[Key, SecretMeta], seen: Callable[[Key], None], reach: Reach) -> None:
        self.parts = [Part(kube, place, known, seen) for place in reach.secret_places]

    @property
    def alive_at(self) -> float:
        """The loop's time when each part last did, or tried, something."""
        return min(part.alive_at for part in self.parts)

    @property
    def fresh(self) -> bool:
        """Whether `known` is what there is, but for the last moment: the API server is telling of every change."""
        return all(part.fresh for part in self.parts)

    async def list(self) -> None:
        """Bring `known` up to date and tell of every difference. It may be asked for while `run` goes on."""
        for part in self.parts:
            await part.list()

    async def run(self) -> None:
        """Watch for ever, from what was listed."""
        async with asyncio.TaskGroup() as group:
            for part in self.parts:
                group.create_task(part.run())


@dataclass(slots=True)
class Part:
    """The watch of one Secret, of one namespace, or of all."""

    kube: Kube
    place: Key  # its name is "" for all of the namespace, which is "" for all
    known: dict[Key, SecretMeta]  # of all parts
    seen: Callable[[Key], None]
    alive_at: float = field(default=0.0, init=False)  # the loop's time when the watch last did, or tried, something
    _told_at: float = field(default=-math.inf, init=False)  # when the API server last told something
    _version: str = field(default="", init=False)
    _deletions: Deletions = field(default_factory=Deletions, init=False)
    _trouble: Trouble = field(default_factory=lambda: Trouble("watching Secrets", _LOG), init=False)
    _failures: int = field(default=0, init=False)  # in a row

    @property
    def _at(self) -> At:
        return path("v1", "secrets", self.place.namespace)

    @property
    def _query(self) -> dict[str, str]:
        return named(self.place.name) if self.place.name else {}

    @property
    def fresh(self) -> bool:
        """As of all parts."""
        return asyncio.get_running_loop().time() - self._told_at < _FRESH_SECONDS

    async def list(self) -> None:
        """As of all parts; the watch goes on from here."""
        with self._deletions.heard() as gone:
            found, version = await self._listed()
        found = {key: meta for key, meta in found.items() if meta.uid not in gone}
        for key in [key for key in self.known.keys() - found.keys() if self._covers(key)]:
            if int(self.known[key].resource_version) <= int(version):  # else it was made while the pages were read
                self._forget(key)
        for key, meta in found.items():
            self._learn(key, meta)
        self._version = version
        self._told()

    async def _listed(self) -> tuple[dict[Key, SecretMeta], str]:
        found: dict[Key, SecretMeta] = {}
        query = {"limit": _PAGE, **self._query}
        while True:
            page = await self.kube.get(self._at, accept=METADATA_LIST, **query)
            found |= {_key(item): meta_of(item["metadata"]) for item in page.get("items") or ()}
            if not (more := page["metadata"].get("continue")):
                return found, page["metadata"]["resourceVersion"]
            query["continue"] = more

    async def run(self) -> None:
        """Watch for ever, from what was listed."""
        while True:
            self._beat()
            try:
                await self._follow()
            except Gone:
                self._told_at = -math.inf
                await self._list_again()
            except (KubeError, KubeUnavailable) as broken:  # the watch goes on from where it was
                self._told_at = -math.inf
                await self._wait(broken)

    async def _list_again(self) -> None:
        try:
            await self.list()
        except (KubeError, KubeUnavailable) as broken:
            await self._wait(broken)

    async def _wait(self, broken: SyncError) -> None:
        self._trouble.caused_by(broken)
        self._failures += 1
        await asyncio.sleep(
            backoff.after(self._failures, base=_PAUSE_SECONDS, cap=_PAUSE_CAP_SECONDS, chance=random.random)
        )

    async def _follow(self) -> None:
        watch = self.kube.watch(
            self._at, self._version, accept=METADATA, seconds=_WATCH_SECONDS, silence=_FRESH_SECONDS, **self._query
        )
        async for event in watch:
            metadata = event["object"]["metadata"]
            self._told()
            if event["type"] != "BOOKMARK":
                key, meta = _key(event["object"]), meta_of(metadata)
                if event["type"] == "DELETED":
                    self._deleted(key, meta)
                else:
                    self._learn(key, meta)
            self._version = metadata["resourceVersion"]

    def _covers(self, key: Key) -> bool:
        return self.place.namespace in ("", key.namespace) and self.place.name in ("", key.name)

    def _learn(self, key: Key, meta: SecretMeta) -> None:
        # Our own writes are known before the watch tells of them; what it tells late must not look like drift.
        if (known := self.known.get(key)) is None or meta.newer_than(known):
            self.known[key] = meta
            self.seen(key)

    def _deleted(self, key: Key, meta: SecretMeta) -> None:
        self._deletions.tell(meta.uid)
        if (known := self.known.get(key)) and known.uid == meta.uid:
            self._forget(key)

    def _forget(self, key: Key) -> None:
        if self.known.pop(key, None):
            self.seen(key)

    def _told(self) -> None:
        self._beat()
        self._failures = 0
        self._trouble.over()
        self._told_at = self.alive_at

    def _beat(self) -> None:
        self.alive_at = asyncio.get_running_loop().time()


def _key(item: dict[str, dict[str, str]]) -> Key:
    return Key(item["metadata"]["namespace"], item["metadata"]["name"])
