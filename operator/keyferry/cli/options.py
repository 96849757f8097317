"""What commands that ask a store have in common: which store is meant, and how they end."""

import asyncio
import re
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from keyferry.cli.stores import Surroundings, Where
from keyferry.errors import SyncError
from keyferry.kube.official import ConfigException
from keyferry.values import StoreKey

T = TypeVar("T")

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")

Store = Annotated[str, typer.Option("--store", metavar="NAME", help="A SecretStore of the namespace.")]
ClusterStore = Annotated[str, typer.Option("--cluster-store", metavar="NAME", help="A ClusterSecretStore.")]
Namespace = Annotated[
    str,
    typer.Option("--namespace", "-n", help="Whose secret it is. Default: that of the kubeconfig's current context."),
]
DataDir = Annotated[
    Path, typer.Option(envvar="KEYFERRY_DATA_DIR", help="Where the operator keeps the files of SQLite stores.")
]

AllowEndpoint = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL", help="A backend address that a SecretStore may name, as the operator's --allow-endpoint."
    ),
]


def surroundings(ctx: typer.Context) -> Surroundings:
    """What is around the command; tests give their own."""
    return ctx.obj or Surroundings()


def where_of(  # noqa: PLR0913 - each is an option
    ctx: typer.Context,
    store: str,
    cluster_store: str,
    namespace: str,
    data_dir: Path,
    allowed: Sequence[str] | None,
    *,
    whole: bool = False,
) -> Where:
    """Which part of which store is meant. Raises BadParameter."""
    if bool(store) == bool(cluster_store):
        raise typer.BadParameter("say which store: either --store NAME or --cluster-store NAME")
    namespace = namespace or surroundings(ctx).namespace()
    if store and not namespace:
        raise typer.BadParameter("a SecretStore is in a namespace: say in which (--namespace)")
    for name in filter(None, (store, cluster_store, namespace)):
        if not _NAME.fullmatch(name):
            raise typer.BadParameter(f"{name!r} is no name of a Kubernetes object")
    key = StoreKey(namespace if store else "", store or cluster_store)
    return Where(key, namespace, data_dir, tuple(allowed or ()), whole=whole)


def carried_out(work: Coroutine[Any, Any, T]) -> T:
    """What the work comes to; a failure that is expected ends the program in one line."""
    try:
        return asyncio.run(work)
    except SyncError as failure:
        fail(f"{failure.reason}: {failure}")
    except ConfigException as wrong:
        fail(f"the kubeconfig cannot be used: {wrong}")


def fail(text: str) -> NoReturn:
    """End with one line on stderr."""
    typer.echo(" ".join(text.split()), err=True)
    raise typer.Exit(1)
