"""What both scripts beside this do with a file that they generate."""

import sys
from pathlib import Path


def keep(file: Path, text: str, usage: str | None) -> None:
    """`--write` on the command line writes the file; `--check` ends with an error where it is not that text."""
    if sys.argv[1:] == ["--write"]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    elif sys.argv[1:] != ["--check"]:
        sys.exit(usage)
    elif file.read_text() != text:
        sys.exit(f"{file} is not up to date: run make generate")
