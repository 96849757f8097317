"""`python -m tests.controlplane build` gets the programs; `up` runs a control plane until it is told to stop."""

import argparse
import signal
import sys

from tests.controlplane import binaries, gobuild
from tests.controlplane.plane import ControlPlane


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.controlplane", description=__doc__)
    parser.add_argument("action", choices=["build", "up"])
    action = parser.parse_args().action
    try:
        found = binaries.ensure()
    except (binaries.BinariesMissing, gobuild.BuildFailed) as e:
        binaries.say(str(e))
        return 1
    if action == "up":
        _up(found)
    else:
        binaries.say(f"The control plane's programs are in {found.etcd.parent}.")
    return 0


def _up(found: binaries.Binaries) -> None:
    """Run until Ctrl-C or SIGTERM. The one line on standard output may be given to `eval`."""
    with ControlPlane(found) as plane:
        sys.stdout.write(f"export KUBECONFIG={plane.kubeconfig}\n")
        sys.stdout.flush()
        binaries.say(f"A Kubernetes API is at {plane.url}. Ctrl-C stops it and removes all that it holds.")
        signal.pause()


def _stopped(_signal: int, _frame: object) -> None:
    """Both signals become an exit like any other, so that leaving is orderly at any moment."""
    raise SystemExit(0)


if __name__ == "__main__":
    for told in (signal.SIGINT, signal.SIGTERM):
        signal.signal(told, _stopped)
    sys.exit(main())
