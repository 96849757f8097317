"""How a step is taken: a command is shown and run, a claim is waited for, and what does not come true says why."""

import base64
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.controlplane.api import RequestFailed
from tests.demo.screen import Screen
from tests.demo.stage import Stage

KEYFERRY = "/apis/keyferry.dev/v1alpha1"
KINDS = ("clustersecretstores", "secretstores", "externalsecrets")
LOG_LINES = 15
_DECODED = " | base64 -d"


class NotTrue(Exception):
    """A claim did not come true; the text says which, and how long it was waited for."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The Ready condition of an object. Everything is empty while it has none."""

    status: str = ""
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """The stage, the screen, and how patient we are: the limits are multiplied by `patience`."""

    stage: Stage
    screen: Screen
    patience: float = 1.0

    def kubectl(self, line: str) -> None:
        """Run what is shown, show what it prints. A pipe into `base64 -d` is understood, and no other."""
        self.screen.command(line)
        command, decoded = line.removesuffix(_DECODED), line.endswith(_DECODED)
        printed = self.stage.plane.kubectl(*shlex.split(command)[1:])
        self.screen.output(base64.b64decode(printed).decode() if decoded else printed)

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """Ask the API server as its administrator."""
        return self.stage.plane.request(method, path, body, content_type)

    def until(self, claim: str, holds: Callable[[], object], *, within: float, since: float | None = None) -> float:
        """Wait for it and tell how long it took; NotTrue if it takes longer than it may."""
        started = time.monotonic() if since is None else since
        limit = time.monotonic() + within * self.patience
        while not holds():
            if not self.stage.operator.running:
                raise NotTrue(f"The operator has ended, before this came true: {claim}")
            if time.monotonic() > limit:
                raise NotTrue(f"Not within {within * self.patience:g} s: {claim}")
            time.sleep(0.03)
        taken = time.monotonic() - started
        self.screen.done(claim, taken)
        return taken

    def claim(self, claim: str, *, holds: bool) -> None:
        """It holds now, or NotTrue."""
        if not holds:
            raise NotTrue(f"This is not so: {claim}")
        self.screen.done(claim)

    def get(self, path: str) -> dict[str, Any] | None:
        """The object at this path, None where there is none."""
        try:
            found: dict[str, Any] = self.request("GET", path)
        except RequestFailed as refused:
            if refused.code == 404:
                return None
            raise
        return found

    def secret(self, namespace: str, name: str) -> dict[str, str]:
        """What a Secret holds; nothing where there is none."""
        return contents(self.get(secret_path(namespace, name)) or {})

    def secrets(self, path: str) -> list[dict[str, str]]:
        """What the Secrets of a list hold."""
        return [contents(each) for each in self.request("GET", path)["items"]]

    def ready(self, kind: str, namespace: str, name: str) -> Ready:
        """The Ready condition of one of Keyferry's objects."""
        return ready_of(self.get(f"{KEYFERRY}/{f'namespaces/{namespace}/' if namespace else ''}{kind}/{name}") or {})

    def explain(self, failure: Exception) -> None:
        """Say what did not come true, and all that may tell why."""
        self.screen.heading("It did not come true")
        self.screen.failed(str(failure))
        self.screen.say("What stands in the statuses:")
        try:
            self.screen.output("\n".join(self._statuses()) or "(nothing)")
        except (OSError, RequestFailed) as silent:
            self.screen.output(f"(the API server cannot be asked: {silent})")
        self.screen.say("The operator's last words:")
        self.screen.output("\n".join(self.stage.operator.log.splitlines()[-LOG_LINES:]) or "(none)")

    def _statuses(self) -> Iterator[str]:
        for kind in KINDS:
            for each in self.request("GET", f"{KEYFERRY}/{kind}")["items"]:
                at = "/".join(filter(None, (each["metadata"].get("namespace"), each["metadata"]["name"])))
                ready = ready_of(each)
                said = f"Ready={ready.status}, {ready.reason}: {ready.message}" if ready.status else "no status yet"
                yield f"{kind} {at}: {said.removesuffix(': ')}"


def secret_path(namespace: str, name: str) -> str:
    """Where a Secret is."""
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"


def contents(secret: dict[str, Any]) -> dict[str, str]:
    """What a Secret holds, decoded."""
    return {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}


def ready_of(body: dict[str, Any]) -> Ready:
    """The Ready condition in an object."""
    conditions = (body.get("status") or {}).get("conditions") or ()
    for each in conditions:
        if each["type"] == "Ready":
            return Ready(each["status"], each["reason"], each.get("message", ""))
    return Ready()
