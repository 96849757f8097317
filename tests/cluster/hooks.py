"""Calls of the operator's webhook, as somebody's pipeline makes them."""

import http.client
import time
from dataclasses import dataclass

from keyferry.policy.signature import signature
from tests.cluster.world import World

KEY = "a-key-of-thirty-two-characters-or-more"


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who knows a key, or thinks so."""

    port: int
    key: str = KEY
    host: str = "127.0.0.1"

    def call(self, path: str, body: bytes = b"", *, stamp: str = "", signed: str | None = None) -> int:
        """The answer's status."""
        stamp = stamp or str(int(time.time()))
        given = signature(self.key.encode(), stamp, body) if signed is None else signed
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        try:
            headers = {"X-Keyferry-Timestamp": stamp, "X-Keyferry-Signature": given}
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()


def webhook_port(world: World) -> int:
    """Where the operator was told to listen."""
    (listen,) = [word for word in world.operator.container.command if word.startswith("--webhook-listen=")]
    return int(listen.rpartition(":")[2])
