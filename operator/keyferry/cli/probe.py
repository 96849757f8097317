"""`keyferry probe`: asks a running operator whether it is well, as `helm test` does."""

import urllib.error
import urllib.request
from typing import Annotated

import typer

_WITHIN = 10.0  # seconds


def probe(
    url: Annotated[str, typer.Argument(help="Of the operator's /readyz or /healthz: http://HOST:PORT/readyz.")],
) -> None:
    """Ask a running operator whether it is well; the exit code is 1 when it is not."""
    if not url.startswith(("http://", "https://")):
        raise typer.BadParameter("write http://HOST:PORT/readyz")
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a Service is no proxy's business
    try:
        with direct.open(url, timeout=_WITHIN) as answer:
            typer.echo(f"{url} answers {answer.status}")
    except urllib.error.HTTPError as refused:
        with refused:
            typer.echo(f"{url} answers {refused.code}: {refused.read(500).decode(errors='replace').strip()}", err=True)
        raise typer.Exit(1) from None
    except OSError as failed:
        typer.echo(f"{url} does not answer: {failed}", err=True)
        raise typer.Exit(1) from None
