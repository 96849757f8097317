"""The bench's end of its AWS stand-in: accounts to open, to disturb, and to ask what they were asked."""

import json
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.controlplane.processes import Process, ProcessGroup

LATENCY = 0.02
REGION = "eu-west-1"
VALUES = {"BatchGetSecretValue", "GetSecretValue"}
_STARTED_WITHIN = 20.0
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Call:
    """One call that reached the stand-in. `about`: secrets asked for at once; of a list's later pages 0."""

    at: float
    action: str
    throttled: bool
    about: int

    @property
    def of_values(self) -> bool:
        return self.action in VALUES

    @property
    def begins_sweep(self) -> bool:
        """The first page of a look at the catalogue; the login's check asks for one line only."""
        return self.action == "ListSecrets" and self.about > 1


@dataclass(slots=True)
class Account:
    """One account of the stand-in, and the calls that were fetched so far."""

    backend: "Backend"
    name: str
    port: int
    secrets: tuple[str, ...]
    _calls: list[Call] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def calls(self, since: int = 0) -> list[Call]:
        """What it was asked so far, but for the first so many."""
        new = self.backend.order("calls", name=self.name, since=len(self._calls))
        self._calls += [Call(*each) for each in new]
        return self._calls[since:]

    def counts(self, since: int = 0) -> Counter[str]:
        """The same by action."""
        return Counter(call.action for call in self.calls(since))

    def sweeps(self, since: int = 0) -> list[Call]:
        """The first calls of its looks at the catalogue."""
        return [call for call in self.calls(since) if call.begins_sweep]

    def rotate(self, secrets: Sequence[str] | None = None) -> float:
        """Give these or all secrets new values; the time when they had them."""
        return self._told("rotate", secrets=list(self.secrets if secrets is None else secrets))

    def stick(self, *, stuck: bool) -> None:
        """Take calls and do not answer them; or answer them again."""
        self.backend.order("stick", name=self.name, stuck=stuck)

    def limit(self, rate: int) -> None:
        """From now on, throttle what is more than so many calls a second."""
        self.backend.order("limit", name=self.name, rate=rate)

    def down(self) -> float:
        """Refuse connections; the time since when."""
        return self._told("down")

    def up(self) -> float:
        """Be there again; the time since when."""
        return self._told("up")

    def _told(self, what: str, **arguments: Any) -> float:
        at: float = self.backend.order(what, name=self.name, **arguments)
        return at


class Backend:
    """The stand-in's process, while it is used. Its CPU is its own: the bench's must not stall it."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "standin.log"
        self._group = ProcessGroup()
        self._process: Process | None = None
        self._port = 0

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.bench.standin"]
        self._process = self._group.start("stand-in", command, log=self._log, environment={"PYTHONPATH": str(_ROOT)})
        until = time.monotonic() + _STARTED_WITHIN
        while not (said := self._process.tail(1)).isdecimal():
            self._process.check()
            if time.monotonic() > until:
                raise TimeoutError(f"the stand-in did not start within {_STARTED_WITHIN:g} s: {said}")
            time.sleep(0.02)
        self._port = int(said)
        return self

    def __exit__(self, *_: object) -> None:
        self._group.stop()

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def open(
        self,
        name: str,
        secrets: Iterable[tuple[str, Mapping[str, str]]],
        *,
        batching: bool = True,
    ) -> Account:
        """A new account with these secrets (name, tags)."""
        listed = list(secrets)
        port = self.order("open", name=name, secrets=listed, latency=LATENCY, batching=batching)
        return Account(self, name, port, tuple(each for each, _ in listed))

    def order(self, what: str, **arguments: Any) -> Any:
        """Tell the stand-in something."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/", method="POST", data=json.dumps({"do": what, **arguments}).encode()
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # without the machine's proxies
        with opener.open(request, timeout=30) as answer:
            return json.loads(answer.read())
