"""The mouths of the program: `keyferry run` is the operator, the rest is for people and pipelines."""

import os
from importlib.metadata import version
from typing import Annotated

import typer


def commands() -> typer.Typer:
    """The program with all its commands."""
    from keyferry.cli import check, probe, run, secret, sql  # noqa: PLC0415 - nothing is imported before it is asked for

    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,  # a pretty traceback shows local variables, and those may be values
    )
    app.callback()(_whole)
    app.command("run")(run.run)
    app.command("check", no_args_is_help=True)(check.check)
    app.command("probe", no_args_is_help=True)(probe.probe)
    app.add_typer(secret.app, name="secret")
    app.add_typer(sql.app, name="sql")
    return app


def _version(wanted: bool) -> None:  # noqa: FBT001 - so Typer calls it
    if wanted:
        typer.echo(version("keyferry"))
        raise typer.Exit


def _whole(
    *,
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Tell the version.")] = False,
) -> None:
    """Carries values from external secret managers into Kubernetes Secrets, and keeps them true."""


def main() -> None:
    """The console script."""
    from keyferry.backends.route import sparing_metadata  # noqa: PLC0415 - as above

    sparing_metadata(os.environ)
    commands()()
