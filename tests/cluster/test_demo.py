"""The demo as a user runs it: a process of its own, whose words are read, and of which nothing may be left."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.controlplane import ControlPlane
from tests.demo import closing, story
from tests.demo.screen import WIDEST
from tests.demo.stage import ENDPOINT_PORT

ENDED_WITHIN = 300.0  # it takes about a minute; a busy machine may need several
pytestmark = pytest.mark.timeout(2 * ENDED_WITHIN)


class Demo:
    """A running demo. Whatever it makes on disk is made in one folder."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder / "made"
        self.folder.mkdir()
        self.told = folder / "told"
        with self.told.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.demo", *options],
                cwd=Path(__file__).parents[2],
                env=os.environ | {"TMPDIR": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def words(self) -> str:
        return self.told.read_text()

    def wait_for(self, text: str) -> None:
        """Return as soon as it has said so; fail if it ends before."""
        until = time.monotonic() + ENDED_WITHIN
        while text not in self.words:
            assert self.process.poll() is None, self.words
            assert time.monotonic() < until, self.words
            time.sleep(0.02)

    def ended(self) -> int:
        """Its exit code, when it has ended."""
        return self.process.wait(ENDED_WITHIN)

    def stop(self) -> None:
        """End it, if it still runs."""
        if self.process.poll() is None:
            self.process.terminate()
            self.ended()

    def left(self) -> list[str]:
        """What is still there of it: files, and processes that know its folder."""
        return [*map(str, self.folder.iterdir()), *processes_that_know(self.folder)]


def processes_that_know(folder: Path) -> Iterator[str]:
    """By their arguments or environment."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or is another user's
            known = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if str(folder).encode() in known:
                yield f"process {process.name}"


@contextmanager
def started(*options: str) -> Iterator[Demo]:
    """A demo that is stopped if it is left running. Its folder's name is short: etcd's socket lies in it."""
    with TemporaryDirectory(prefix="demo-") as folder:
        demo = Demo(Path(folder), *options)
        try:
            yield demo
        finally:
            demo.stop()


@pytest.fixture
def demo() -> Iterator[Callable[..., Demo]]:
    """Starts the demo with options. It is stopped if the test leaves it running."""
    with ExitStack() as stack:
        yield lambda *options: stack.enter_context(started(*options))


@pytest.fixture(scope="module")
def shown() -> Iterator[Demo]:
    """The whole demo, from beginning to end."""
    with started() as whole:
        whole.ended()
        yield whole


@contextmanager
def taken(port: int) -> Iterator[None]:
    """Somebody listens on the port: we, or whoever was there before."""
    with socket.socket() as ours:
        with suppress(OSError):
            ours.bind(("127.0.0.1", port))
            ours.listen()
        yield


def test_the_demo_tells_the_whole_story_and_all_of_it_comes_true(shown):
    titles = [title for title, _ in (*story.STEPS, *closing.STEPS)]

    assert shown.ended() == 0, shown.words
    assert re.findall(r"^\d+\. (.*)$", shown.words, re.MULTILINE) == titles
    assert re.search(r"^All of it came true, in \d+ s\. Nothing is left running\.$", shown.words, re.MULTILINE)
    assert "✘" not in shown.words


def test_the_demo_ends_with_what_it_cost(shown):
    for row in ("calls to AWS", "queries in SQLite", "if asked one by one", "writes to Kubernetes"):
        assert re.search(rf"^ +{row} +[1-9]\d* ", shown.words, re.MULTILINE), shown.words


def test_the_demo_fits_a_terminal_and_is_plain_text_elsewhere(shown):
    assert max(map(len, shown.words.splitlines())) <= WIDEST
    assert "\x1b" not in shown.words


def test_the_demo_leaves_nothing(shown):
    assert shown.left() == []


def test_what_does_not_come_true_ends_the_demo_with_an_error_that_shows_why(demo):
    failing = demo("--patience=0")

    assert failing.ended() == 1
    assert "✘ Not within 0 s: " in failing.words  # whatever was not there at once
    assert "externalsecrets team-a/database: " in failing.words
    assert "keyferry is up" in failing.words  # the operator's log
    assert failing.left() == []


@pytest.mark.parametrize("moment", ["Starting", "1. Values"])
def test_the_demo_can_be_stopped_at_any_time_and_leaves_nothing(demo, moment):
    stopped = demo()
    stopped.wait_for(moment)
    stopped.process.send_signal(signal.SIGINT)

    assert stopped.ended() == 130, stopped.words
    assert stopped.words.rstrip().endswith("Stopped. Nothing is left running.")
    assert stopped.left() == []


def test_what_is_kept_running_can_be_used_as_it_says_and_stopped(demo, plane: ControlPlane):
    with taken(ENDPOINT_PORT):
        kept = demo("--keep")
        kept.wait_for("To watch:")
    found = re.search(r"export KUBECONFIG=(\S+)", kept.words)
    assert found is not None, kept.words

    there = plane.kubectl(f"--kubeconfig={found[1]}", "get", "externalsecrets", "-A", "-o", "name")
    kept.process.send_signal(signal.SIGINT)

    assert len(there.split()) == 4
    assert kept.ended() == 0
    assert kept.left() == []
