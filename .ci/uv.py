"""Runs uv with what pip knows of this machine: `python .ci/uv.py pip sync …`.

uv is ten times faster than pip but reads none of its configuration, and the owner of a machine behind a mirror or a
proxy has written that configuration once already. What is set for uv itself counts more.
"""
# ruff: noqa: INP001 — a script beside the Makefile, part of no package

import ast
import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

NAMES = {  # pip's name: uv's variable, and what separates several values there
    "index-url": ("UV_DEFAULT_INDEX", ""),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "no-index": ("UV_NO_INDEX", ""),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", ""),
    "proxy": ("ALL_PROXY", ""),
}


def environment(listed: str) -> Mapping[str, str]:
    """What `pip config list` shows, in uv's words."""
    found: dict[str, str] = {}
    for key, text in known(listed).items():
        name, separator = NAMES[key]
        found[name] = separator.join(text.split()) if separator else text
    if "UV_INDEX" in found:
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # pip's way to look at several indexes; hashes make it safe
    return found


def known(listed: str) -> Mapping[str, str]:
    """What `pip config list` shows of how packages are reached, in pip's own words."""
    rows = [line.partition("=") for line in listed.splitlines()]
    found: dict[str, str] = {}
    for scope in ("global.", "install.", ":env:."):  # the last one counts most, as for pip
        for key, _, value in rows:
            if key.startswith(scope) and key.removeprefix(scope) in NAMES:
                found[key.removeprefix(scope)] = str(ast.literal_eval(value)).strip()
    return found


def main() -> int:
    """The exit code of uv."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    uv = Path(sysconfig.get_path("scripts")) / "uv"
    return subprocess.run(  # noqa: S603 — the pinned uv of this environment
        [uv, *sys.argv[1:]], env={**environment(listed.stdout), **os.environ}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
