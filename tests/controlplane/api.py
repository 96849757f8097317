"""Plain HTTP with the API server, as its administrator: enough for tests to look and to prepare."""

import http.client
import json
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

ANSWERED_WITHIN = 30.0
PROBED_WITHIN = 1.0  # whoever asks again anyway need not wait long for one answer
KEPT_FOR = 20.0  # seconds: the server closes what is idle for longer than a minute


class RequestFailed(Exception):
    """The API server refused; the text is its own, the code is there to be compared."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason


class Answer(NamedTuple):
    """What came back, be it good or not."""

    code: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Api:
    """An API server's address and a token for it.

    Connections stay open for whoever asks next, from any thread: making one costs more than most answers.
    """

    url: str
    ca_file: Path
    token: str = field(repr=False)
    _idle: list[tuple[float, http.client.HTTPSConnection]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """Send one request; the answer is its JSON."""
        content = self._asked(method, path, body, content_type)
        return json.loads(content) if content else None

    def watch(self, path: str) -> list[Any]:
        """Every event of a watch that ends by itself, as one with timeoutSeconds does."""
        return [json.loads(line) for line in self._asked("GET", path).splitlines()]

    def close(self) -> None:
        """Close what stayed open."""
        while self._idle:
            self._idle.pop()[1].close()

    def answers(self) -> bool:
        """Whether our server is there at all, ready or not: another's certificate would not be trusted."""
        return self._probed("/livez") is not None

    def ready(self) -> bool:
        """Whether the server says that it is ready."""
        return self._probed("/readyz") == (200, b"ok")

    def _asked(self, method: str, path: str, body: Any = None, content_type: str = "") -> bytes:
        connection = self._connection()
        answer = self._send(connection, method, path, body, content_type)
        self._idle.append((time.monotonic(), connection))
        if answer.code >= 400:
            raise _failure(*answer)
        return answer.content

    def _probed(self, path: str) -> Answer | None:
        connection = self._connected(PROBED_WITHIN)
        try:
            return self._send(connection, "GET", path)
        except (OSError, http.client.HTTPException):  # nobody listens yet, or it does not speak
            return None
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPSConnection:
        """One that has stayed open, or a new one."""
        while self._idle:
            used, connection = self._idle.pop()
            if time.monotonic() - used < KEPT_FOR:
                return connection
            connection.close()
        return self._connected(ANSWERED_WITHIN)

    def _connected(self, within: float) -> http.client.HTTPSConnection:
        trust = ssl.create_default_context(cafile=str(self.ca_file))
        return http.client.HTTPSConnection(self.url.removeprefix("https://"), context=trust, timeout=within)

    def _send(
        self, connection: http.client.HTTPSConnection, method: str, path: str, body: Any = None, content_type: str = ""
    ) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}
        try:
            connection.request(method, path, None if body is None else json.dumps(body).encode(), headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read())
        except BaseException:
            connection.close()
            raise


def _failure(code: int, content: bytes) -> RequestFailed:
    try:
        status = json.loads(content)
        return RequestFailed(code, str(status["reason"]), str(status["message"]))
    except (ValueError, KeyError, TypeError):  # not a Status: a plain text, as /readyz answers
        return RequestFailed(code, http.client.responses.get(code, ""), content[:500].decode(errors="replace"))
