"""Plain HTTP with the API server, as its administrator: enough for tests to look and to prepare."""

import http.client
import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ANSWERED_WITHIN = 30.0
PROBED_WITHIN = 1.0  # whoever asks again anyway need not wait long for one answer


class RequestFailed(Exception):
    """The API server refused; the text is its own, the code is there to be compared."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Api:
    """An API server's address and a token for it."""

    url: str
    ca_file: Path
    token: str = field(repr=False)

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """Send one request; the answer is its JSON."""
        answer = self._send(method, path, body, content_type)
        return json.loads(answer) if answer else None

    def answers(self) -> bool:
        """Whether our server is there at all, ready or not: another's certificate would not be trusted."""
        try:
            self._send("GET", "/livez", within=PROBED_WITHIN)
        except RequestFailed:
            return True
        except (OSError, http.client.HTTPException):  # nobody listens yet, or it does not speak
            return False
        return True

    def ready(self) -> bool:
        """Whether the server says that it is ready."""
        try:
            return self._send("GET", "/readyz", within=PROBED_WITHIN) == b"ok"
        except (OSError, http.client.HTTPException, RequestFailed):
            return False

    def _send(
        self, method: str, path: str, body: Any = None, content_type: str = "", within: float = ANSWERED_WITHIN
    ) -> bytes:
        request = urllib.request.Request(  # noqa: S310 — the address is the local API server's
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": content_type},
        )
        trust = ssl.create_default_context(cafile=str(self.ca_file))
        # Without the machine's proxies: the API server is on this machine.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )
        try:
            with opener.open(request, timeout=within) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as refused:
            with refused:
                raise _failure(refused.code, refused.read()) from None


def _failure(code: int, content: bytes) -> RequestFailed:
    try:
        status = json.loads(content)
        return RequestFailed(code, str(status["reason"]), str(status["message"]))
    except (ValueError, KeyError, TypeError):  # not a Status: a plain text, as /readyz answers
        return RequestFailed(code, http.client.responses.get(code, ""), content[:500].decode(errors="replace"))
