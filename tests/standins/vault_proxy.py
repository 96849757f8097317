"""In front of a real Vault: counts what it is asked, and has bad days. It speaks TLS with Vault's own certificate."""

import http.client
import threading
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.servers.vault_server import VaultServer
from tests.standins import wire
from tests.standins.wire import Answer, Fault, Listener

_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}

# What a policy's denial says, and what OpenBao says of a token that it does not know; Vault adds "invalid token".
DENIED, UNKNOWN = "1 error occurred:\n\t* permission denied\n\n", "permission denied"


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as policies see it."""

    capability: str  # read, list, write, delete
    path: str
    token: str = field(repr=False)
    namespace: str
    authorization: str = field(default="", repr=False)

    @classmethod
    def of(cls, call: wire.Call) -> Self:
        listing = call.method == "LIST" or "list" in call.query
        return cls(
            "list" if listing else {"GET": "read", "DELETE": "delete"}.get(call.method, "write"),
            call.path.removeprefix("/v1/"),
            call.headers.get("x-vault-token", ""),
            call.headers.get("x-vault-namespace", ""),
            call.headers.get("authorization", ""),
        )


def refuses(status: int, *said: str, **headers: str) -> Fault:
    """Vault answers with this status and these words."""
    return lambda _, __: Answer.of({"errors": list(said)}, status, **headers)


class VaultProxy:
    """Passes everything on. What it was asked is in `calls`; what goes wrong is said with `failing`."""

    def __init__(self, vault: VaultServer) -> None:
        self.vault = vault
        self._trust = vault.trust()
        self._upstream = threading.local()  # a connection for each of the callers' ones
        self.wire = Listener(self._passed_on, vault.ca.parent, self._end)
        self.port = self.wire.port

    @property
    def url(self) -> str:
        return f"https://{self.host}"

    @property
    def host(self) -> str:
        """As error texts name it."""
        return f"127.0.0.1:{self.port}"

    @property
    def calls(self) -> list[Call]:
        return [Call.of(call) for call, _ in self.wire.calls]

    def counts(self) -> dict[str, int]:
        """How many calls there were, by capability and the second part of the path, such as `read data`."""
        return dict(Counter(_kind(call) for call in self.calls))

    def logins(self) -> int:
        return sum(call.path.startswith("auth/") and "/login" in call.path for call in self.calls)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wire.down()

    def _passed_on(self, call: wire.Call) -> Answer:
        if not hasattr(self._upstream, "connection"):
            address = urlsplit(self.vault.url).netloc
            self._upstream.connection = http.client.HTTPSConnection(address, timeout=30, context=self._trust)
        headers = {name: value for name, value in call.headers.items() if name not in {*_HOP, "host"}}
        self._upstream.connection.request(call.method, call.target, call.content or None, headers)
        answer = self._upstream.connection.getresponse()
        return Answer(answer.status, answer.read(), {n: v for n, v in answer.getheaders() if n.lower() not in _HOP})

    def _end(self) -> None:
        if hasattr(self._upstream, "connection"):
            self._upstream.connection.close()
            del self._upstream.connection


def _kind(call: Call) -> str:
    parts = call.path.split("/")
    return f"{call.capability} {parts[1] if len(parts) > 1 else parts[0]}"
