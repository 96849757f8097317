"""Who asked the API server for what: its own audit log, read back."""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.controlplane.api import Api

WRITTEN_WITHIN = 10.0

# Only who did what to which object: values never get into it, and neither does the control plane's own bustle.
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "users": ["system:apiserver", "kube-controller-manager"]},
        {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/openapi/*"]},
        {"level": "Metadata"},
    ],
}


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One call. A watch counts once, when it begins."""

    user: str
    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    subresource: str
    code: int
    uri: str
    at: datetime  # when it was answered, by the API server's clock


@dataclass(frozen=True, slots=True)
class AuditLog:
    """The log that one API server writes."""

    path: Path

    def events(self, api: Api) -> Iterator[AuditEvent]:
        """Every call that was answered before this one, in order."""
        known: set[str] = set()
        for line in self._lines(api):
            event = json.loads(line)
            if event["auditID"] not in known and event["requestURI"].partition("?")[0] != "/version":
                yield _event(event)
            if event["stage"] == "ResponseStarted":
                known.add(event["auditID"])

    def _lines(self, api: Api) -> list[bytes]:
        """The log's lines up to a mark set now: an event is written a moment after its caller has the answer."""
        mark = uuid.uuid4().hex
        api.request("GET", f"/version?mark={mark}")
        until = time.monotonic() + WRITTEN_WITHIN
        while time.monotonic() < until:
            *lines, _unfinished = self.path.read_bytes().split(b"\n")
            for index, line in enumerate(lines):
                if mark.encode() in line:
                    return lines[:index]
            time.sleep(0.02)
        raise TimeoutError(f"The API server wrote nothing into its audit log {self.path} for {WRITTEN_WITHIN} s.")


def _event(event: dict[str, Any]) -> AuditEvent:
    about = event.get("objectRef", {})
    return AuditEvent(
        user=event["user"].get("username", ""),  # none: its credentials were refused
        verb=event["verb"],
        group=about.get("apiGroup", ""),
        resource=about.get("resource", ""),
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        subresource=about.get("subresource", ""),
        code=event.get("responseStatus", {}).get("code", 0),
        uri=event["requestURI"],
        at=datetime.fromisoformat(event["stageTimestamp"]),
    )
