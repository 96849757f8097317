"""`keyferry run`: the operator."""

import asyncio
import logging
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import kopf
import typer
import uvloop

from keyferry import handlers, log
from keyferry.app import opened
from keyferry.errors import SyncError
from keyferry.handlers import lifecycle, probes
from keyferry.kube.client import connect
from keyferry.settings import DEFAULT_DATA_DIR, Settings

_LOG = logging.getLogger(__name__)


class Level(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def run(
    *,
    listen: Annotated[str, typer.Option(help="host:port of /healthz, /readyz and /metrics.")] = "0.0.0.0:8080",
    data_dir: Annotated[
        Path, typer.Option(help="Folder for what the operator keeps itself (SQLite).", envvar="KEYFERRY_DATA_DIR")
    ] = DEFAULT_DATA_DIR,
    log_level: Annotated[Level, typer.Option(help="How much is logged.")] = Level.INFO,
    log_format: Annotated[log.LogFormat, typer.Option(help="text for people, json for machines.")] = log.LogFormat.TEXT,
    allow_ambient_in_namespaces: Annotated[
        bool, typer.Option(help="Let SecretStores, not only ClusterSecretStores, use the operator's own cloud rights.")
    ] = False,
    allow_endpoint: Annotated[
        list[str] | None,
        typer.Option(help="Another backend address that SecretStores may name, * as a wildcard; may be repeated."),
    ] = None,
) -> None:
    """Run the operator: in a pod as its ServiceAccount, or wherever KUBECONFIG points."""
    log.configure(log_level, log_format)
    settings = Settings(
        listen=listen,
        data_dir=data_dir,
        allow_ambient_in_namespaces=allow_ambient_in_namespaces,
        allow_endpoints=tuple(allow_endpoint or ()),
    )
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_operate(settings))
    except SyncError as failure:
        _LOG.error("%s: %s", failure.reason, failure)
        raise typer.Exit(1) from None


async def _operate(settings: Settings) -> None:
    """Kopf sees, the app works; both end together, on SIGTERM or when one of them fails."""
    kube = await connect(timeout=settings.kube_timeout, connections=settings.kube_connections)
    async with opened(kube, settings) as app, probes.served(app, settings.listen):
        registry = kopf.OperatorRegistry()
        handlers.register(registry, app)
        working = asyncio.create_task(app.run())
        seeing = asyncio.create_task(
            kopf.operator(registry=registry, settings=lifecycle.settings(), clusterwide=True, standalone=True)
        )
        _LOG.info("keyferry is up", extra={"listen": settings.listen})
        done, _ = await asyncio.wait({working, seeing}, return_when=asyncio.FIRST_COMPLETED)
        working.cancel()
        seeing.cancel()
        await asyncio.gather(working, seeing, return_exceptions=True)
        for task in done:
            if not task.cancelled():
                task.result()
        _LOG.info("keyferry has stopped")
