"""`python -m tests.bench` measures; `make bench`, `make bench N=10000`, `make bench ONLY=refresh,restart` call it."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from tests.bench.ground import TooSlow, prepared
from tests.bench.picture import drawn
from tests.bench.report import Machine, Report, write_json
from tests.bench.run import LONG, PROVIDERS, SCENARIOS, Lengths, Run, usual
from tests.bench.usage import BUSY
from tests.controlplane import binaries
from tests.controlplane.troubles import TROUBLES
from tests.demo.screen import Screen

ROOT = Path(__file__).parents[2]
DEFAULT = 1000
STOPPED = 130  # as shells have it for Ctrl-C


def options() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--n", type=int, default=DEFAULT, help=f"how many ExternalSecrets (default: {DEFAULT})")
    parser.add_argument(
        "--only",
        default="",
        help=f"some of {','.join(SCENARIOS)} (default: all; of more than 2000 those that depend on it), or {PROVIDERS}",
    )
    parser.add_argument(
        "--docs", action="store_true", help="write docs/benchmarks.md, also where only some were chosen"
    )
    parser.add_argument("--long", action="store_true", help="nothing is shortened: some minutes more")
    parser.add_argument("--patience", type=float, default=1.0, help="multiply all limits, for a slow machine")
    asked = parser.parse_args()
    asked.chosen = frozenset(filter(None, asked.only.split(","))) or usual(asked.n)
    asked.docs = asked.docs or not asked.only
    if unknown := asked.chosen - {*SCENARIOS, PROVIDERS}:
        parser.error(
            f"there is no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}, {PROVIDERS}"
        )
    if PROVIDERS in asked.chosen and len(asked.chosen) > 1:
        parser.error(f"{PROVIDERS} is a run of its own")
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
    except (TooSlow, *TROUBLES) as trouble:
        screen.failed(str(trouble))
        return 1
    except KeyboardInterrupt:
        screen.heading("Stopped. Nothing is left running.")
        return STOPPED
    return 0


def measure(screen: Screen, asked: argparse.Namespace) -> None:
    """Run what was chosen, and write down what came of it."""
    began, machine = time.monotonic(), Machine.here()
    found = binaries.ensure(say=screen.say)
    screen.heading(f"Starting, on {machine}")
    with prepared(found, asked.patience) as ground:
        rows = Run(ground, screen, asked.n, asked.chosen, LONG if asked.long else Lengths()).everything()
        chart, others = None if PROVIDERS in asked.chosen else drawn(ground, asked.n), ground.sampler.share_of_others()
    seconds = time.monotonic() - began
    write_json(ROOT / "build" / "bench.json", rows)
    if asked.docs:
        report = Report(*_named(asked), rows, chart, machine, seconds, _command(asked), others)
        report.write(ROOT / "docs" / "benchmarks.md")
    elif chart:
        (ROOT / "build" / "bench.svg").write_text(chart.svg())
    said = "docs/benchmarks.md and build/bench.json have" if asked.docs else "build/bench.json and build/bench.svg have"
    if others > BUSY:
        screen.failed(f"{others:.0%} of the processors went to other work meanwhile: times and ratios are worth little")
    screen.heading(f"{said} all of it. It took {seconds:.0f} s.")


def _named(asked: argparse.Namespace) -> tuple[str, str]:
    """What the run's part of the page is called, for programs and for readers."""
    title = f"{asked.n:,} ExternalSecrets"
    return (PROVIDERS, f"{title} with each provider") if PROVIDERS in asked.chosen else (str(asked.n), title)


def _command(asked: argparse.Namespace) -> str:
    parts = {"N": asked.n if asked.n != DEFAULT else "", "ONLY": asked.only, "LONG": "1" if asked.long else ""}
    return " ".join(["make bench", *(f"{name}={value}" for name, value in parts.items() if value)])


if __name__ == "__main__":
    sys.exit(main())
