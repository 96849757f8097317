"""`python -m tests.demo` shows what Keyferry does; `--keep` leaves it running to be played with."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from tests.controlplane import binaries, plane
from tests.controlplane.troubles import TROUBLES
from tests.demo import closing, keeping, stage, story
from tests.demo.scene import NotTrue, Scene
from tests.demo.screen import Screen

ROOT = Path(__file__).parents[2]
STOPPED = 130  # as shells have it for Ctrl-C


def main() -> int:
    """The exit code: 0 if all that is claimed came true."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="tell no story; leave everything running until Ctrl-C")
    parser.add_argument(
        "--patience", type=float, default=1.0, metavar="FACTOR", help="multiply all limits, for a slow machine"
    )
    options = parser.parse_args()
    os.chdir(ROOT)  # the commands that are shown name files from there
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    screen = Screen.of(sys.stdout)
    try:
        found = _programs(screen)
        return keeping.keep(screen, found, options.patience) if options.keep else show(screen, found, options.patience)
    except (stage.ExamplesDiffer, *TROUBLES) as trouble:
        screen.failed(str(trouble))
        return 1
    except KeyboardInterrupt:
        screen.heading("Stopped. Nothing is left running.")
        return 0 if options.keep else STOPPED
    except BrokenPipeError:  # nobody reads any more: make demo | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _programs(screen: Screen) -> binaries.Binaries:
    """The control plane's programs; whoever must wait for them is told so, and why."""
    try:
        return binaries.find()
    except binaries.BinariesMissing:
        screen.heading("Before the first time")
        screen.say(
            "Kubernetes itself is needed: etcd, kube-apiserver, kube-controller-manager, kubectl and helm. They are "
            "downloaded, or where that is not possible built from source, which takes 7 to 10 minutes on two cores. "
            f"They are kept in {binaries.cache_folder()}; next time the demo begins at once."
        )
        return binaries.ensure(say=screen.say)


def show(screen: Screen, found: binaries.Binaries, patience: float) -> int:
    """The whole story."""
    began = time.monotonic()
    screen.heading("Keyferry carries secrets from where they are kept into Kubernetes, and keeps them true.")
    screen.say(
        "This takes about a minute. All of it runs on this machine, and nothing is left of it afterwards; Ctrl-C ends "
        "it at any time. To type the commands yourself: make up."
    )
    screen.heading("Starting")
    with stage.opened(screen, found) as opened:
        scene = Scene(opened, screen, patience)
        try:
            for number, (title, step) in enumerate((*story.STEPS, *closing.STEPS), 1):
                screen.heading(f"{number}. {title}")
                step(scene)
            screen.heading("What it cost")
            closing.count(scene)
            closing.search(scene)
        except (NotTrue, plane.KubectlFailed) as failure:
            scene.explain(failure)
            return 1
    screen.heading(f"All of it came true, in {time.monotonic() - began:.0f} s. Nothing is left running.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
