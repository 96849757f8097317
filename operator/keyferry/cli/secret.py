"""`keyferry secret`: put, list and delete what a store holds. A value comes from stdin or a file, not an argument."""

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from keyferry.cli import listing, writing
from keyferry.cli.listing import Output
from keyferry.cli.options import (
    AllowEndpoint,
    ClusterStore,
    DataDir,
    Namespace,
    Store,
    carried_out,
    fail,
    surroundings,
    where_of,
)
from keyferry.cli.stores import Opened, Where, opened
from keyferry.cli.values import Source, read
from keyferry.settings import DEFAULT_DATA_DIR

T = TypeVar("T")

app = typer.Typer(
    no_args_is_help=True, help="Write, list, delete and restore the secrets of a store that Keyferry can write to."
)

Key = Annotated[str, typer.Argument(help="The key, as an ExternalSecret's remoteRef.key has it.", show_default=False)]


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
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, whoever created what is overwritten.")] = False,
    literal: Annotated[str, typer.Option("--value", "--from-literal", hidden=True)] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    allow_endpoint: AllowEndpoint = None,
) -> None:
    """Create a secret, or give it a new value, which is read from stdin or a file. Tells what that changes."""
    if ctx.args or literal:
        raise typer.BadParameter(
            "a value on a command line is seen by everybody who can list processes, and stays in the shell's history: "
            "give it by stdin or --from-file"
        )
    where = where_of(ctx, store, cluster_store, namespace, data_dir, allow_endpoint)
    changes = writing.tag_changes(tag or ())
    data = read(Source(from_file, strip_newline=strip_newline, allow_empty=allow_empty))

    def sure(what: writing.Overwrite) -> bool:
        return _overwrites(what, where, yes=yes)

    async def work(store: Opened) -> writing.Written | None:
        return await writing.put(store, key, data, changes, sure)

    if (written := _run(ctx, where, work)) is None:
        fail("nothing was written")
    if not written.new:
        typer.echo(f"{key}: {listing.shown(written.name)} holds that already, version {written.version}")
        return
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
    allow_endpoint: AllowEndpoint = None,
) -> None:
    """List what the store offers to a namespace: keys, external names, versions, tags. No value is read."""
    where = where_of(ctx, store, cluster_store, namespace, data_dir, allow_endpoint, whole=every)

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
    allow_endpoint: AllowEndpoint = None,
) -> None:
    """Delete a secret from the store. What becomes of Kubernetes Secrets is their deletionPolicy's business."""
    where = where_of(ctx, store, cluster_store, namespace, data_dir, allow_endpoint)

    def sure(name: str) -> bool:
        return yes or typer.confirm(f"Delete {listing.shown(name)} from {where.store}?", err=True)

    async def work(store: Opened) -> str | None:
        return await writing.delete(store, key, sure)

    if (name := _run(ctx, where, work)) is None:
        fail("nothing was deleted")
    typer.echo(f"{key}: {listing.shown(name)} is deleted")


@app.command()
def restore(  # noqa: PLR0913 - typer reads the options off the signature
    ctx: typer.Context,
    key: Key,
    *,
    store: Store = "",
    cluster_store: ClusterStore = "",
    namespace: Namespace = "",
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Its external name. Default: what `put` would have called it.")
    ] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    allow_endpoint: AllowEndpoint = None,
) -> None:
    """Take a deletion back, where the backend keeps what was deleted for some time."""
    where = where_of(ctx, store, cluster_store, namespace, data_dir, allow_endpoint)

    async def work(store: Opened) -> writing.Written:
        return await writing.restore(store, key, name)

    restored = _run(ctx, where, work)
    typer.echo(f"{key}: {listing.shown(restored.name)} is there again, version {restored.version}")


def _overwrites(what: writing.Overwrite, where: Where, *, yes: bool) -> bool:
    """Whether a secret may be overwritten, and to tell what that changes."""
    unknown = ("its value may not be read, so what changes is not known",)
    for line in unknown if what.changes is None else what.changes:
        typer.echo(f"  {line}", err=True)
    if what.ours or yes:
        return True
    stranger = f"{listing.shown(what.name)} in {where.store} was not created by Keyferry"
    if not sys.stdin.isatty():  # the value came that way, and no answer can
        fail(f"{stranger}: say --yes to overwrite it")
    return typer.confirm(f"{stranger}. Overwrite it?", err=True)


def _run(ctx: typer.Context, where: Where, work: Callable[[Opened], Awaitable[T]]) -> T:
    """What the work on the store comes to."""
    around = surroundings(ctx)

    async def run() -> T:
        async with await around.connect() as kube, opened(kube, where, around) as store:
            return await work(store)

    return carried_out(run())
