"""`keyferry check`: would this store work? The operator's own check of it, before anything is applied."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated

import typer

from keyferry.backends.base import Access, Backend, Catalogue
from keyferry.cli import manifests
from keyferry.cli.listing import shown
from keyferry.cli.options import (
    AllowEndpoint,
    ClusterStore,
    DataDir,
    Namespace,
    Store,
    carried_out,
    surroundings,
    where_of,
)
from keyferry.cli.stores import Surroundings, applied, made, parsed
from keyferry.errors import KubeUnavailable, SyncError
from keyferry.fetch.fetcher import unusable
from keyferry.kube.client import Json, Kube
from keyferry.plan.snapshot import Snapshot
from keyferry.policy.mapping import Mapping, mapping_of
from keyferry.settings import DEFAULT_DATA_DIR, Settings
from keyferry.values import StoreKey


class Output(StrEnum):
    """How the findings are printed."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one store. None where it was not found out."""

    kind: str
    namespace: str
    name: str
    ready: bool
    reason: str  # as the store's Ready condition would have it
    message: str = ""
    listing: bool | None = None
    batching: bool | None = None
    lacking: tuple[str, ...] = ()
    notice: str = ""  # what to know of the backend though nothing lacks
    offered: int | None = None  # external secrets that the mapping offers, to all namespaces together


def check(  # noqa: PLR0913 - typer reads the options off the signature
    ctx: typer.Context,
    *,
    filename: Annotated[
        list[str] | None,
        typer.Option("--filename", "-f", metavar="PATH", help="Manifests with stores; - is stdin. May be repeated."),
    ] = None,
    store: Store = "",
    cluster_store: ClusterStore = "",
    namespace: Namespace = "",
    output: Annotated[Output, typer.Option("--output", "-o", help="How to print it.")] = Output.TEXT,
    allow_endpoint: AllowEndpoint = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Log in and see what a store may do, as the operator would. No value is read, nothing is written.

    With -f stores are checked before they are applied; Secrets of their logins are taken from the same files, else
    from the cluster. Exits with 1 where a store would not work.
    """
    around, settings = surroundings(ctx), Settings(data_dir=data_dir, allow_endpoints=tuple(allow_endpoint or ()))
    if filename:
        if store or cluster_store:
            raise typer.BadParameter("give either files or the name of one store")
        found = carried_out(_declared(manifests.read(filename, namespace or around.namespace()), settings, around))
    else:
        where = where_of(ctx, store, cluster_store, namespace, data_dir, allow_endpoint, whole=True)
        found = carried_out(_applied(where.store, settings, around))
    typer.echo(json.dumps([asdict(each) for each in found], indent=2) if output is Output.JSON else _text(found))
    raise typer.Exit(0 if all(each.ready for each in found) else 1)


async def _declared(declared: manifests.Manifests, settings: Settings, around: Surroundings) -> list[Finding]:
    """Every store of the files, one after the other."""
    async with _cluster(around) as kube:
        preview = manifests.Previewed(kube, declared)
        return [await _finding(preview, key, body, settings, around) for key, body in declared.stores.items()]


async def _applied(key: StoreKey, settings: Settings, around: Surroundings) -> list[Finding]:
    async with await around.connect() as kube:
        return [await _finding(kube, key, await applied(kube, key), settings, around)]


@asynccontextmanager
async def _cluster(around: Surroundings) -> AsyncIterator[Kube]:
    """The cluster, for what the files lack; perhaps they lack nothing, and there need be none."""
    try:
        connected = await around.connect()
    except KubeUnavailable as absent:
        yield manifests.Nowhere(absent)
        return
    async with connected as kube:
        yield kube


async def _finding(kube: Kube, key: StoreKey, body: Json, settings: Settings, around: Surroundings) -> Finding:
    who = (key.kind, key.namespace, key.name)
    try:
        spec = parsed(key, body)
        mapping = mapping_of(spec, cluster=not key.namespace)
        async with aclosing(made(kube, key, spec, settings, around)) as backend:
            access = await backend.check()
            if useless := unusable(str(key), mapping, access):
                raise useless
            offered = await _offered(backend, mapping, access)
    except SyncError as wrong:
        return Finding(*who, ready=False, reason=wrong.reason, message=str(wrong))
    return Finding(
        *who,
        ready=True,
        reason="Ready",
        listing=access.listing,
        batching=access.batching,
        lacking=access.lacking,
        notice=access.notice,
        offered=offered,
    )


async def _offered(backend: Backend, mapping: Mapping, access: Access) -> int | None:
    if not access.listing or not isinstance(backend, Catalogue):
        return None
    entries = [entry async for entry in backend.entries(mapping.scope())]
    return len(Snapshot.of(entries, mapping, started=0.0).ids)


def _text(found: list[Finding]) -> str:
    return "\n".join(line for each in found for line in _lines(each))


def _lines(each: Finding) -> Iterator[str]:
    name = "/".join(filter(None, (each.namespace, each.name)))
    yield f"{each.kind} {shown(name)}: {each.reason}"
    if not each.ready:
        yield f"  {shown(each.message)}"
        return
    yield "  login     accepted"
    yield f"  listing   {_granted(each.listing)}"
    if each.batching is not None:  # else the backend has none
        yield f"  batches   {_granted(each.batching)}"
    for lacks in each.lacking:
        yield f"  lacking   {shown(lacks)}"
    if each.notice:
        yield f"  note      {shown(each.notice)}"
    if each.offered is not None:
        yield f"  offers    {each.offered} {'secret' if each.offered == 1 else 'secrets'}"


def _granted(permitted: bool | None) -> str:  # noqa: FBT001 - a finding, not a switch
    return "permitted" if permitted else "not permitted"
