"""`python -m tests.bench` measures; `make bench`, `make bench N=10000`, `make bench ONLY=refresh,restart` call it."""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

from tests.bench.ground import TooSlow, prepared
from tests.bench.run import SCENARIOS, Run
from tests.controlplane import binaries, chart, container, deployment, gobuild, plane, processes
from tests.demo.screen import Screen

ROOT = Path(__file__).parents[2]
STOPPED = 130  # as shells have it for Ctrl-C
CANNOT = (
    TooSlow,
    binaries.BinariesMissing,
    chart.HelmFailed,
    container.CannotRun,
    deployment.NotReady,
    gobuild.BuildFailed,
    plane.KubectlFailed,
    plane.NotReady,
    processes.ProcessDied,
)


def options() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="how many ExternalSecrets (default: 1000)")
    parser.add_argument("--only", default="", help=f"some of {','.join(SCENARIOS)} (default: all)")
    parser.add_argument("--long", action="store_true", help="nothing is shortened: some minutes more")
    parser.add_argument("--patience", type=float, default=1.0, help="multiply all limits, for a slow machine")
    asked = parser.parse_args()
    asked.chosen = frozenset(filter(None, asked.only.split(","))) or frozenset(SCENARIOS)
    if unknown := asked.chosen - set(SCENARIOS):
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    if asked.n % 100 or asked.n <= 0:
        parser.error("N must be a multiple of 100")
    return asked


def main() -> int:
    """The exit code: 0 if everything could be measured, whatever came of it."""
    asked = options()
    os.chdir(ROOT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    screen = Screen.of(sys.stdout)
    try:
        measure(screen, asked)
    except CANNOT as trouble:
        screen.failed(str(trouble))
        return 1
    except KeyboardInterrupt:
        screen.heading("Stopped. Nothing is left running.")
        return STOPPED
    return 0


def measure(screen: Screen, asked: argparse.Namespace) -> None:
    """Run what was chosen, and write down what came of it."""
    began = time.monotonic()
    found = binaries.ensure(say=screen.say)
    screen.heading("Starting")
    with prepared(found, asked.patience) as ground:
        rows = Run(ground, screen, asked.n, asked.chosen, asked.long).everything()
    path = ROOT / "build" / "bench.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([row.json() for row in rows], indent=1, ensure_ascii=False) + "\n")
    screen.heading(f"{path.relative_to(ROOT)} has all of it. It took {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    sys.exit(main())
