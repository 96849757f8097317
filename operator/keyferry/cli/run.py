"""`keyferry run`: the operator."""

import asyncio
import gc
import logging
import signal
import uuid
from collections.abc import Sequence
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from keyferry import handlers, log, metrics, tracing
from keyferry.app import App
from keyferry.cli import sealed
from keyferry.errors import SyncError
from keyferry.handlers import hooks, lifecycle, probes
from keyferry.kube.client import connect
from keyferry.kube.reach import Reach
from keyferry.schedule.loop import Loop
from keyferry.settings import DEFAULT_DATA_DIR, LARGEST_CATALOGUE, Settings
from keyferry.values import Key

_LOG = logging.getLogger(__name__)
_GARBAGE = 5_000  # objects made before garbage is looked for: a reconciliation makes hundreds, and no cycles
_LEASE_CONNECTIONS = 4


class Level(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def run(  # noqa: PLR0913 - each is an option
    *,
    listen: Annotated[
        str, typer.Option(help="host:port of /healthz, /readyz and /metrics. Without a host: every address.")
    ] = ":8080",
    webhook_listen: Annotated[
        str, typer.Option(help="host:port of the webhook, where others say that something changed. Default: none.")
    ] = "",
    webhook_address: Annotated[
        str,
        typer.Option(
            help="host:port by which other replicas reach the webhook, to pass on what is theirs.",
            envvar="KEYFERRY_WEBHOOK_ADDRESS",
        ),
    ] = "",
    data_dir: Annotated[
        Path, typer.Option(help="Folder for what the operator keeps itself (SQLite).", envvar="KEYFERRY_DATA_DIR")
    ] = DEFAULT_DATA_DIR,
    log_level: Annotated[Level, typer.Option(help="How much is logged.")] = Level.INFO,
    log_format: Annotated[log.LogFormat, typer.Option(help="text for people, json for machines.")] = log.LogFormat.TEXT,
    allow_ambient_in_namespaces: Annotated[
        bool, typer.Option(help="Let SecretStores, not only ClusterSecretStores, use the operator's own cloud rights.")
    ] = False,
    shards: Annotated[
        int, typer.Option(min=1, max=100, help="How many parts the stores are divided into, for replicas to share.")
    ] = 1,
    largest_catalogue: Annotated[
        int, typer.Option(min=100, help="How many secrets a store's backend may list, of some 1.5 KB of memory each.")
    ] = LARGEST_CATALOGUE,
    identity: Annotated[
        str, typer.Option(help="This replica's own name. Default: one that no other has.", envvar="POD_NAME")
    ] = "",
    tracing_endpoint: Annotated[
        str, typer.Option(help="URL of an OTLP/HTTP receiver for traces, as http://collector:4318. Default: no traces.")
    ] = "",
    tracing_ratio: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How many of all traces are sent, from 0 to 1.")
    ] = 1.0,
    namespace: Annotated[
        str, typer.Option(help="Where the replicas' Leases are.", envvar="POD_NAMESPACE")
    ] = "keyferry-system",
    only_namespace: Annotated[
        list[str] | None,
        typer.Option(help="A namespace to work in, and in no other but those named likewise. Default: all."),
    ] = None,
    only_secret: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMESPACE/NAME",
            help="A target or a login to touch in a namespace of --only-namespace, and no other Secret there but those "
            "named likewise. Default: all.",
        ),
    ] = None,
    allow_endpoint: Annotated[
        list[str] | None,
        typer.Option(help="Another backend or proxy that SecretStores may name (scheme://host:port; * is a wildcard)."),
    ] = None,
) -> None:
    """Run the operator: in a pod as its ServiceAccount, or wherever KUBECONFIG points."""
    log.configure(log_level, log_format)
    settings = Settings(
        namespaces=tuple(only_namespace or ()),
        secrets=_secrets(only_secret or (), only_namespace or ()),
        listen=listen,
        webhook_listen=webhook_listen,
        webhook_address=_of_url(webhook_address),
        data_dir=data_dir,
        allow_ambient_in_namespaces=allow_ambient_in_namespaces,
        allow_endpoints=tuple(allow_endpoint or ()),
        shards=shards,
        largest_catalogue=largest_catalogue,
        identity=identity or f"local-{uuid.uuid4().hex[:12]}",
        namespace=namespace,
    )
    sealed.seal()
    metrics.BUILD.labels(version("keyferry")).set(1)
    try:
        if tracing_endpoint:
            tracing.start(tracing_endpoint, settings.identity, tracing_ratio)
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.get_loop().set_exception_handler(sealed.told_by_loop)
            runner.run(_operate(settings))
    except SyncError as failure:
        _LOG.error("%s: %s", failure.reason, failure)
        raise typer.Exit(1) from None
    finally:
        tracing.stop()


def _secrets(named: Sequence[str], namespaces: Sequence[str]) -> tuple[Key, ...]:
    """The Secrets that are meant. Raises BadParameter."""
    keys = [Key(*each.partition("/")[::2]) for each in named]
    for key in keys:
        if not key.name or key.namespace not in namespaces:
            raise typer.BadParameter(
                f"{key}: write NAMESPACE/NAME, of a namespace that --only-namespace names", param_hint="--only-secret"
            )
    return tuple(dict.fromkeys(keys))


def _of_url(address: str) -> str:
    """host:port as a URL has it: an IPv6 address, which Kubernetes gives bare, in brackets."""
    host, _, port = address.rpartition(":")
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else address


async def _operate(settings: Settings) -> None:
    """Work until SIGTERM, or until work fails: first ours ends, then Kopf's seeing."""
    told = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, told.set)
    timeout, connections = settings.kube_timeout, settings.kube_connections
    watches = len(Reach(settings.namespaces, settings.secrets).secret_places)
    kube = await connect(timeout=timeout, connections=connections, watches=watches)
    lease_kube = await connect(timeout=timeout, connections=_LEASE_CONNECTIONS)
    async with kube, lease_kube:
        app = App(kube, lease_kube, settings)
        async with probes.served(app, settings.listen), hooks.served(app, settings.webhook_listen):
            _LOG.info("keyferry is up", extra={"version": version("keyferry"), "listen": settings.listen})
            await _work(app, told)
            _LOG.info("keyferry has stopped")


async def _work(app: App, told: asyncio.Event) -> None:
    working, seeing = asyncio.create_task(app.run()), asyncio.create_task(_see(app))
    stop = asyncio.create_task(told.wait())
    done, _ = await asyncio.wait((working, seeing, stop), return_when=asyncio.FIRST_COMPLETED)
    if stop in done:
        await app.leave()
    for task in (working, seeing):
        task.cancel()
        await asyncio.wait({task})
    stop.cancel()
    for task in (working, seeing):
        if task in done:
            task.result()


async def _see(app: App) -> None:
    """Kopf's watches start when everything was seen once, so that they find the CRDs there.

    And when the first burst of work is over: else Kopf would take in each of its writes, and all that is known already,
    just then. What changes meanwhile is in the lists that Kopf begins with.
    """
    await app.learnt.wait()
    _spare_what_stays()
    await app.calm.wait()
    picture = app.picture
    await lifecycle.see(
        lambda registry, call: handlers.register(registry, picture, call), picture.reach, picture.kinds.there
    )


def _spare_what_stays() -> None:
    """Look for garbage less often, and not in what is there now: that was a third of a refresh."""
    gc.freeze()
    gc.set_threshold(_GARBAGE)
