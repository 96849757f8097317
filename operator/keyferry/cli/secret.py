"""`keyferry secret`: put, list and delete what a store holds. A value comes from stdin or a file, not an argument."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer
from kubernetes.aio.config import ConfigException

from keyferry.cli import listing, writing
from keyferry.cli.listing import Output
from keyferry.cli.stores import Opened, Surroundings, Where, opened
from keyferry.cli.values import Source, read
from keyferry.errors import SyncError
from keyferry.settings import DEFAULT_DATA_DIR
from keyferry.values import StoreKey

T = TypeVar("T")

app = typer.Typer(
    no_args_is_help=True, help="Write, list and delete the secrets of a store that Keyferry can write to."
)

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")

Key = Annotated[str, typer.Argument(help="The key, as an ExternalSecret's remoteRef.key has it.", show_default=False)]
Store = Annotated[str, typer.Option("--store", metavar="NAME", help="A SecretStore of the namespace.")]
ClusterStore = Annotated[str, typer.Option("--cluster-store", metavar="NAME", help="A ClusterSecretStore.")]
Namespace = Annotated[
    str,
    typer.Option("--namespace", "-n", help="Whose secret it is. Default: that of the kubeconfig's current context."),
]
DataDir = Annotated[
    Path, typer.Option(envvar="KEYFERRY_DATA_DIR", help="Where the operator keeps the files of SQLite stores.")
]


@app.command(context_settings={"allow_extra_args": True})
def put(  # noqa: PLR0913 - typer reads the options off the signature
    ctx: typer.Context,
    key: Key,
    *,
    store: Store = "",
    cluster_store: ClusterStore = "",
    namespace: Namespace = "",
    from_file: Annotated[
        str, typer.Option(metavar="PATH", help="The file that holds the value, byte for byte; - is stdin. Default: -")
    ] = "",
    tag: Annotated[
        list[str] | None, typer.Option(help="key=value; key- takes a tag away. May be repeated; others stay.")
    ] = None,
    strip_newline: Annotated[
        bool, typer.Option("--strip-newline", help="Leave out one line end after the value.")
    ] = False,
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="Write a value of no bytes.")] = False,
    literal: Annotated[str, typer.Option("--value", "--from-literal", hidden=True)] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Create a secret, or give it a new value, which is read from stdin or a file."""
    if ctx.args or literal:
        raise typer.BadParameter(
            "a value on a command line is seen by everybody who can list processes, and stays in the shell's history: "
            "give it by stdin or --from-file"
        )
    where = _where(ctx, store, cluster_store, namespace, data_dir)
    changes = writing.tag_changes(tag or ())
    data = read(Source(from_file, strip_newline=strip_newline, allow_empty=allow_empty))

    async def work(store: Opened) -> writing.Written:
        return await writing.put(store, key, data, changes)

    written = _run(ctx, where, work)
    typer.echo(f"{key}: written as {listing.shown(written.name)}, version {written.version}")
    typer.echo(f"tags: {listing.shown_tags(written.tags) or 'none'}")


@app.command("list")
def list_(  # noqa: PLR0913 - typer reads the options off the signature
    ctx: typer.Context,
    *,
    store: Store = "",
    cluster_store: ClusterStore = "",
    namespace: Namespace = "",
    every: Annotated[
        bool, typer.Option("--all", "-A", help="What the store offers to all namespaces together.")
    ] = False,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to print it.")] = Output.TABLE,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """List what the store offers to a namespace: keys, external names, versions, tags. No value is read."""
    where = _where(ctx, store, cluster_store, namespace, data_dir, whole=every)

    async def work(store: Opened) -> str:
        return listing.printed(await listing.rows(store), output, whole=every)

    typer.echo(_run(ctx, where, work), nl=False)


@app.command()
def delete(  # noqa: PLR0913 - typer reads the options off the signature
    ctx: typer.Context,
    key: Key,
    *,
    store: Store = "",
    cluster_store: ClusterStore = "",
    namespace: Namespace = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Delete a secret from the store. What becomes of Kubernetes Secrets is their deletionPolicy's business."""
    where = _where(ctx, store, cluster_store, namespace, data_dir)

    def sure(name: str) -> bool:
        return yes or typer.confirm(f"Delete {listing.shown(name)} from {where.store}?", err=True)

    async def work(store: Opened) -> str | None:
        return await writing.delete(store, key, sure)

    if (name := _run(ctx, where, work)) is None:
        _fail("nothing was deleted")
    typer.echo(f"{key}: {listing.shown(name)} is deleted")


def _where(
    ctx: typer.Context, store: str, cluster_store: str, namespace: str, data_dir: Path, *, whole: bool = False
) -> Where:
    if bool(store) == bool(cluster_store):
        raise typer.BadParameter("say which store: either --store NAME or --cluster-store NAME")
    namespace = namespace or _surroundings(ctx).namespace()
    if store and not namespace:
        raise typer.BadParameter("a SecretStore is in a namespace: say in which (--namespace)")
    for name in filter(None, (store, cluster_store, namespace)):
        if not _NAME.fullmatch(name):
            raise typer.BadParameter(f"{name!r} is no name of a Kubernetes object")
    return Where(StoreKey(namespace if store else "", store or cluster_store), namespace, data_dir, whole=whole)


def _surroundings(ctx: typer.Context) -> Surroundings:
    return ctx.obj or Surroundings()


def _run(ctx: typer.Context, where: Where, work: Callable[[Opened], Awaitable[T]]) -> T:
    """What the work on the store comes to; a failure that is expected ends the program in one line."""
    surroundings = _surroundings(ctx)

    async def run() -> T:
        async with await surroundings.connect() as kube, opened(kube, where, surroundings) as store:
            return await work(store)

    try:
        return asyncio.run(run())
    except SyncError as failure:
        _fail(f"{failure.reason}: {failure}")
    except ConfigException as wrong:
        _fail(f"the kubeconfig cannot be used: {wrong}")


def _fail(text: str) -> NoReturn:
    typer.echo(" ".join(text.split()), err=True)
    raise typer.Exit(1)
