"""The mouths of the program: `keyferry run` is the operator, the rest is for people and pipelines."""

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a pretty traceback shows local variables, and those may be values
)


@app.callback()
def keyferry() -> None:
    """Carries values from external secret managers into Kubernetes Secrets, and keeps them true."""


def main() -> None:
    """The console script."""
    from keyferry.cli import run, secret  # noqa: PLC0415 - the commands register themselves on `app`

    app.command("run")(run.run)
    app.add_typer(secret.app, name="secret")
    app()
