"""`python -m tests.servers` gets the servers that tests need, where they are not in the cache yet."""

import os
import sys

from tests.controlplane import binaries, gobuild
from tests.servers import prometheus
from tests.servers.sources import SOURCES


def main() -> int:
    """The exit code."""
    try:
        for source in SOURCES:
            binaries.say(f"{source.name}'s program is {binaries.ensure_program(source)}")
    except gobuild.BuildFailed as e:
        binaries.say(str(e))
        return 1
    return _prometheus()


def _prometheus() -> int:
    """Tests of alerts and dashboards are skipped where there is none; in continuous integration none is skipped."""
    try:
        binaries.say(f"Prometheus' program is {prometheus.ensure().prometheus}")
    except binaries.BinariesMissing as e:
        binaries.say(str(e))
        return 1 if os.environ.get("CI") else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
