"""Whether the API server knows our kinds as this version does: CRDs may be missing, or older than the operator.

An older CRD is the worse of the two: the API server drops without a word what its schema does not know, from specs and
from statuses. Both are read where anybody with an account may: the API server's discovery and its OpenAPI.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from keyferry import metrics
from keyferry.api.kinds import GROUP, KINDS, VERSION, Kind
from keyferry.errors import KubeUnavailable
from keyferry.kube.client import At, Json, Kube
from keyferry.kube.errors import Forbidden, KubeError, NotFound
from keyferry.kube.reach import Reach
from keyferry.log import Trouble

_LOG = logging.getLogger(__name__)
_RETRY_SECONDS = 2.0
_LOOK_SECONDS = 300.0
_OLDER_SECONDS = 15.0  # between looks while a CRD is older
_DOUBT_SECONDS = 5.0  # so far may the API server's OpenAPI be behind its CRDs
_ALL_FIELDS = 2  # of a CRD that is not there: spec and status
_TOLD = 5  # fields of a CRD; how many more there are is said
_DISCOVERY = At(f"/apis/{GROUP}/{VERSION}", "discovery", f"what there is of {GROUP}/{VERSION}")
_OPENAPI = At("/openapi/v3", "openapi", "what OpenAPI there is")
_OF_GROUP = f"apis/{GROUP}/{VERSION}"
_MEND = "apply those of this version: `helm upgrade` with crds.install=true, or `kubectl apply --server-side -f crds/`"


@dataclass(slots=True)
class Kinds:
    """What of our kinds is not as it should be. One event loop owns it."""

    kube: Kube
    reach: Reach
    missing: tuple[str, ...] = field(default=(), init=False)  # CRDs, as of when somebody last looked
    unseen: str = field(default="", init=False)  # why that could not be found out
    older: Mapping[str, tuple[str, ...]] = field(default_factory=dict, init=False)  # what each CRD does not know
    _read: str = field(default="", init=False)  # the OpenAPI that was compared last
    _told: str = field(default="", init=False)  # why nothing could be compared, so that it is said once
    _trouble: Trouble = field(default_factory=lambda: Trouble("waiting for Keyferry's CRDs", _LOG), init=False)

    async def there(self) -> None:
        """Return when all are served, however long that takes."""
        while True:
            if not await self._lacks():
                return
            await asyncio.sleep(_RETRY_SECONDS)

    async def _lacks(self) -> bool:
        try:
            self._counted(missing=await self._missing())
        except (KubeError, KubeUnavailable) as failure:
            self.unseen = f"cannot see which CRDs there are: {failure}"
            self._trouble.caused_by(failure)
            return True
        self.unseen = ""
        if self.missing:
            self._trouble.caused_by(self.unfit)
        else:
            self._trouble.over()
        return bool(self.missing)

    def _counted(self, missing: tuple[str, ...]) -> None:
        for crd in self.missing + missing:
            metrics.CRD_UNKNOWN_FIELDS.labels(crd).set(_ALL_FIELDS if crd in missing else 0)
        self.missing = missing

    async def fit(self) -> None:
        """Return when work may begin: all are there, and keep what statuses say.

        What cannot be found out is no reason to wait.
        """
        await self.there()
        await self._compare()
        while self.unfit:
            await asyncio.sleep(_RETRY_SECONDS)
            await self.there()
            await self._compare()

    @property
    def unfit(self) -> str:
        """Why no work can be done with these CRDs, in words; empty where it can.

        Without what a status says, each refresh would take the Secret for another's and write the status once more.
        """
        if self.missing:
            return f"there is no CRD {', '.join(self.missing)} in version {VERSION}; {_MEND}"
        older = [crd for crd, fields in self.older.items() if any(each.startswith("status.") for each in fields)]
        return f"CRD {', '.join(older)} is too old to keep a status of this version; {_MEND}" if older else ""

    async def keep(self) -> None:
        """Look for CRDs that are older than this operator, for ever."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS if self._read and not self.older else _OLDER_SECONDS)
            await self._compare()

    async def _missing(self) -> tuple[str, ...]:
        try:
            served = {each["name"] for each in (await self.kube.get(_DISCOVERY)).get("resources") or ()}
        except NotFound:
            served = set()
        except Forbidden:  # where not even discovery is allowed, lists will tell
            return ()
        return tuple(_crd(kind) for kind in self._kinds if kind.plural not in served)

    async def _compare(self) -> None:
        try:
            found = await self._behind()
            if found and found != self.older:
                await asyncio.sleep(_DOUBT_SECONDS)
                self._read = ""
                found = await self._behind()
        except (KubeError, KubeUnavailable) as failure:
            if self._told != str(failure):
                _LOG.info("whether the CRDs are older than this operator cannot be seen: %s", failure)
            self._told = str(failure)
            return
        if found is not None:
            self._tell(found)

    async def _behind(self) -> Mapping[str, tuple[str, ...]] | None:
        """What each CRD does not know; None where the API server tells of nothing new, or of no such kinds."""
        at: str = (await self.kube.get(_OPENAPI)).get("paths", {}).get(_OF_GROUP, {}).get("serverRelativeURL", "")
        if at in ("", self._read):
            return None
        served = await self.kube.get(At(at.partition("?")[0], "openapi", f"the OpenAPI of {GROUP}/{VERSION}"))
        self._read = at
        return await asyncio.to_thread(_compared, self._kinds, served)

    def _tell(self, found: Mapping[str, tuple[str, ...]]) -> None:
        for crd, fields in found.items():
            if self.older.get(crd) != fields:
                more = f" and {len(fields) - _TOLD} more" if len(fields) > _TOLD else ""
                _LOG.warning(
                    "CRD %s is older than this operator: the API server drops without a word %s%s; %s",
                    crd,
                    ", ".join(fields[:_TOLD]),
                    more,
                    _MEND,
                )
        for crd in self.older.keys() - found.keys():
            _LOG.info("CRD %s is as this operator needs it", crd)
        for kind in self._kinds:
            metrics.CRD_UNKNOWN_FIELDS.labels(_crd(kind)).set(len(found.get(_crd(kind), ())))
        self.older = found

    @property
    def _kinds(self) -> tuple[Kind, ...]:
        return tuple(kind for kind in KINDS if self.reach.everywhere or kind.scope == "Namespaced")


def unknown(ours: Json, theirs: Json, at: str = "") -> Iterator[str]:
    """The fields that one schema has and the other does not, each by its path, and not what is below them."""
    if theirs.get("x-kubernetes-preserve-unknown-fields"):
        return
    for name, field_ in (ours.get("properties") or {}).items():
        path = f"{at}.{name}" if at else name
        known = (theirs.get("properties") or {}).get(name)
        if known is None:
            yield path
        else:
            yield from unknown(field_, known, path)
    for within, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(ours.get(within), dict):
            inner: Any = theirs.get(within)
            yield from unknown(ours[within], inner if isinstance(inner, dict) else {}, at + mark)


def _compared(kinds: tuple[Kind, ...], served: Json) -> Mapping[str, tuple[str, ...]]:
    schemas = {}
    for schema in served.get("components", {}).get("schemas", {}).values():
        for each in schema.get("x-kubernetes-group-version-kind") or ():
            schemas[each["kind"]] = schema
    lacking = {_crd(kind): tuple(unknown(kind.schema(), schemas[kind.kind])) for kind in kinds if kind.kind in schemas}
    return {crd: fields for crd, fields in lacking.items() if fields}


def _crd(kind: Kind) -> str:
    return f"{kind.plural}.{GROUP}"
