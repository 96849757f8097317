"""What the API server refuses, as exceptions; one table turns its answers into them."""

import re
from typing import Any

from keyferry.errors import KubeUnavailable, SyncError

_ADMISSION = re.compile(r"ValidatingAdmissionPolicy '[-a-z0-9.]+'|admission webhook \"[-A-Za-z0-9.]+\"")


class KubeError(SyncError):
    """The API server said no. `causes` name fields and reasons only: a message could quote what was sent."""

    reason = "KubernetesRefused"

    def __init__(self, message: str, *, causes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.causes = causes


class NotFound(KubeError):
    """404."""


class Conflict(KubeError):
    """409: it exists already, or is not what we thought it was."""


class Forbidden(KubeError):
    """403: the operator's ServiceAccount lacks a right."""

    reason = "KubernetesForbidden"


class Unauthorized(KubeError):
    """401: the token is not accepted."""


class Invalid(KubeError):
    """422: the object breaks a rule of its schema."""


class Gone(KubeError):
    """410: a watch must start anew."""


_BY_CODE: dict[int, type[KubeError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: Invalid,
    422: Invalid,
}


def error_for(code: int, status: Any, what: str) -> SyncError:
    """The exception for an answer of the API server; `what` is the request in words, such as `PATCH secrets a/b`."""
    status = status if isinstance(status, dict) else {}
    details = status.get("details") or {}
    causes = tuple(_told(cause) for cause in details.get("causes") or ())
    words = f"the API server answered {code} {status.get('reason') or ''}".rstrip() + f" to {what}"
    if code == 429 or code >= 500:
        return KubeUnavailable(words)
    if denied := _ADMISSION.search(str(status.get("message") or "")):  # its reasons could quote what was sent
        words += f", denied by {denied[0]}"
    return _BY_CODE.get(code, KubeError)("; ".join((words, *causes)), causes=causes)


def _told(cause: dict[str, str]) -> str:
    """A cause in words. Only a conflict's message is safe to repeat: it names the other field manager."""
    reason = cause.get("reason", "?")
    return f"{cause.get('field', '?')}: {cause.get('message', '?') if reason == 'FieldManagerConflict' else reason}"
