"""`python -m tests.servers` gets the servers that tests need, where they are not in the cache yet."""

import os
import sys

from tests.controlplane import binaries, gobuild
from tests.servers import elasticsearch_jars
from tests.servers.sources import SOURCES


def main() -> int:
    """The exit code."""
    try:
        for source in SOURCES:
            binaries.say(f"{source.name}'s program is {binaries.ensure_program(source)}")
    except gobuild.BuildFailed as e:
        binaries.say(str(e))
        return 1
    return elasticsearch()


def elasticsearch() -> int:
    """The exit code: where it cannot be had its tests are left out, but for continuous integration."""
    try:
        binaries.say(f"Elasticsearch is {elasticsearch_jars.ensure()}")
    except elasticsearch_jars.NotToBeHad as e:
        binaries.say(f"{e}\nWithout Elasticsearch, these are left out: {elasticsearch_jars.LEFT_OUT}.")
        return 1 if os.environ.get("CI") else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
