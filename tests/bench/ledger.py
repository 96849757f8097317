"""What the operator asked of the API server, and when: read from the server's audit log as it grows.

Nothing is asked of the operator for it, so that looking does not change what is measured.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

SECRETS, STATUSES = "secrets", "externalsecrets/status"
_WRITING = {"create", "update", "patch", "delete", "deletecollection"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that was answered. Times are the API server's, in seconds of the epoch."""

    began: float
    at: float
    verb: str
    what: str
    namespace: str
    name: str
    code: int

    @property
    def writes(self) -> bool:
        """Whether it changes something. That a replica lives is told every few seconds, and is no work."""
        return self.verb in _WRITING and self.what != "leases"


@dataclass(slots=True)
class Ledger:
    """Every request of one user."""

    path: Path
    user: str
    _read: int = 0
    _asked: list[Asked] = field(default_factory=list)

    def asked(self, since: int = 0) -> list[Asked]:
        """All requests so far, but for the first so many."""
        self._asked += self._new()
        return self._asked[since:]

    def writes(self, since: int = 0, *, what: str = "", namespaces: tuple[str, ...] = ()) -> list[Asked]:
        """Only those that write, of a kind or to some namespaces if so said."""
        return [
            each
            for each in self.asked(since)
            if each.writes and what in {"", each.what} and (not namespaces or each.namespace in namespaces)
        ]

    def __len__(self) -> int:
        return len(self.asked())

    def _new(self) -> Iterator[Asked]:
        with self.path.open("rb") as log:
            log.seek(self._read)
            text = log.read()
        whole = text.rfind(b"\n") + 1
        self._read += whole
        theirs = f'"username":"{self.user}"'.encode()
        for line in text[:whole].splitlines():
            if theirs in line:
                event = json.loads(line)
                if event["verb"] != "watch":
                    yield _asked(event)


def _asked(event: dict[str, object]) -> Asked:
    about, status = event.get("objectRef") or {}, event.get("responseStatus") or {}
    assert isinstance(about, dict)
    assert isinstance(status, dict)
    parts = (about.get("resource", ""), about.get("subresource", ""))
    return Asked(
        began=_seconds(event["requestReceivedTimestamp"]),
        at=_seconds(event["stageTimestamp"]),
        verb=str(event["verb"]),
        what="/".join(part for part in parts if part),
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        code=status.get("code", 0),
    )


def _seconds(timestamp: object) -> float:
    return datetime.fromisoformat(str(timestamp)).timestamp()
