"""Where a value comes from: a file, a pipe or somebody's fingers. Never an argument."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import typer

LARGEST = 1024 * 1024  # bytes: no Kubernetes Secret holds more


@dataclass(frozen=True, slots=True)
class Source:
    """What the options say of the value."""

    file: str  # "" and "-" are stdin
    strip_newline: bool
    allow_empty: bool


def read(source: Source, *, stdin: BinaryIO | None = None, ask: Callable[[], str] | None = None) -> bytes:
    """The value. Raises BadParameter where there is none, or too much.

    From files and pipes it is taken byte for byte: a line end may be part of a value, and a binary value may end with
    one. On a terminal a value is one line, whose end only says that it is complete; `--from-file -` takes more.
    """
    stdin = stdin or sys.stdin.buffer
    if not source.file and stdin.isatty():
        return _checked((ask or _ask)().encode(), source)
    try:
        data = stdin.read(LARGEST + 1) if source.file in ("", "-") else _of(Path(source.file))
    except OSError as e:
        raise typer.BadParameter(f"{source.file or 'stdin'} cannot be read: {e.strerror}") from e
    if source.strip_newline:
        data = data[:-2] if data.endswith(b"\r\n") else data.removesuffix(b"\n")
    elif data.endswith(b"\n"):
        typer.echo("note: the value ends with a line end, which is part of it; --strip-newline leaves it out", err=True)
    return _checked(data, source)


def _of(file: Path) -> bytes:
    with file.open("rb") as content:
        return content.read(LARGEST + 1)


def _checked(data: bytes, source: Source) -> bytes:
    if not data and not source.allow_empty:
        raise typer.BadParameter(
            "the value is empty; kubectl exec passes stdin on only with -i. If it is meant: --allow-empty"
        )
    if len(data) > LARGEST:
        raise typer.BadParameter(f"the value has more than {LARGEST} bytes, which no Kubernetes Secret holds")
    return data


def _ask() -> str:
    text: str = typer.prompt("Value", hide_input=True, confirmation_prompt=True, err=True)
    return text
