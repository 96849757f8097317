"""A stand-in for HCP Vault Secrets, which ended on 1 July 2026: logins, the list, values, on a port of this machine.

Written from HashiCorp's documentation, the models of its SDK for Go, and what its Kubernetes operator says of the
API. `with HcpStandIn() as hcp:`, then `hcp.put("DB", "a value")`, `hcp.service_principal()` and `hcp.url`.
"""

import base64
import functools
import re
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.servers import certificates
from tests.standins.hcp_secrets import App, Refused, Secret, absent
from tests.standins.wire import Answer, Call, Fault, Listener

ORGANIZATION = "0b1d3c0e-5f25-4e0c-8fd4-4a3a5e1f7c11"
PROJECT = "5c2f9a7d-0c4b-4ad3-9a83-7e1c6a2b9d42"
LARGEST_PAGE, PAGE = 100, 10

# What the documented roles may do, of what Keyferry asks.
ROLES: Mapping[str, frozenset[str]] = {
    "roles/secrets.app-secret-reader": frozenset({"view", "read"}),
    "roles/secrets.app-manager": frozenset({"view", "read"}),
    "roles/viewer": frozenset({"view", "read"}),
    "": frozenset(),  # one of another app or service
}
READER = "roles/secrets.app-secret-reader"

_AT = re.compile(r"/secrets/2023-11-28/organizations/([^/]+)/projects/([^/]+)/apps/([^/]+)(/.*)?")
_OPEN = re.compile(r"/secrets/(?P<name>[^/:]+)(/versions/(?P<version>[0-9]+))?:open")


@dataclass(frozen=True, slots=True)
class Principal:
    """A service principal's key, and what it may do with the app."""

    secret: str
    may: frozenset[str]


@dataclass(slots=True)
class Logins:
    """Who may log in, and the tokens that are out."""

    life: int = 3600  # seconds that a token holds
    principals: dict[str, Principal] = field(default_factory=dict)  # by client ID
    tokens: dict[str, tuple[str, float]] = field(default_factory=dict)  # token -> client ID, until when


@functools.cache
def _certificate() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="keyferry-hcp-"))
    (folder / "ca.crt").write_bytes(certificates.write(folder))
    return folder


def refuses(status: int, message: str, **headers: str) -> Fault:
    """HCP answers with this status and these words."""
    return lambda _, __: Answer.of({"code": 2, "message": message, "details": []}, status, **headers)


class HcpStandIn:
    """One project with one app. What it was asked is in `wire.calls`, what goes wrong in `wire.failing`."""

    def __init__(self) -> None:
        self.app = App("shop")
        self.logins = Logins()
        self.largest_page = LARGEST_PAGE
        self.ended = 0  # the status that all of Vault Secrets answers with since it has ended
        self.ahead = 0.0  # seconds by which its clock is
        self.wire = Listener(self._answer, _certificate())

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.wire.port}"

    @property
    def host(self) -> str:
        """As error texts name it."""
        return f"127.0.0.1:{self.wire.port}"

    @property
    def ca(self) -> bytes:
        return (_certificate() / "ca.crt").read_bytes()

    def now(self) -> float:
        return time.time() + self.ahead

    def put(self, name: str, held: str | Mapping[str, str]) -> str:
        """A new version of a static secret (a text) or a rotating one (a map); its name."""
        return self.app.put(name, held, self.now()).name

    def dynamic(self, name: str, ttl: int = 3600) -> Secret:
        """A secret that is made anew each time it is opened."""
        return self.app.dynamic(name, ttl, self.now())

    def service_principal(self, role: str = READER, *, may: frozenset[str] | None = None) -> dict[str, str]:
        """The key of a new service principal with that role in the app, as a Secret holds it."""
        client, secret = uuid.uuid4().hex, uuid.uuid4().hex
        self.logins.principals[client] = Principal(secret, ROLES[role] if may is None else may)
        return {"clientId": client, "clientSecret": secret}

    def revoke_tokens(self) -> None:
        self.logins.tokens.clear()

    def counts(self) -> dict[str, int]:
        """How many calls there were: logins, pages of the list, pages of values, single reads, others."""
        return dict(Counter(_kind(call) for call, _ in self.wire.calls))

    def minted(self) -> int:
        """How often anything was made."""
        return sum(len(secret.minted) for secret in self.app.secrets.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wire.down()

    def _answer(self, call: Call) -> Answer:
        try:
            return Answer.of(self._token(call) if call.path == "/oauth2/token" else self._routed(call))
        except Refused as refused:
            return Answer.of({"code": refused.code, "message": str(refused), "details": []}, refused.status)

    def _token(self, call: Call) -> dict[str, Any]:
        form = call.body
        if call.method != "POST" or form.get("grant_type") != "client_credentials":
            raise Refused(400, 3, "unsupported_grant_type")
        principal = self.logins.principals.get(form.get("client_id", ""))
        if principal is None or principal.secret != form.get("client_secret"):
            raise Refused(401, 16, "access_denied: Unauthorized")
        if form.get("audience") != "https://api.hashicorp.cloud":
            raise Refused(403, 7, "access_denied: Service not enabled within domain")
        token = f"eyJ.{uuid.uuid4().hex}"
        self.logins.tokens[token] = (form["client_id"], self.now() + self.logins.life)
        return {"access_token": token, "expires_in": self.logins.life, "token_type": "Bearer"}

    def _routed(self, call: Call) -> dict[str, Any]:
        if self.ended:
            raise Refused(self.ended, 5, "HCP Vault Secrets is no more")
        client, until = self.logins.tokens.get(call.token, ("", 0.0))
        if until < self.now():
            raise Refused(401, 16, "token is invalid or has expired")
        at = _AT.fullmatch(call.path)
        if at is None or call.method != "GET":
            raise absent("Not Found")
        may = self.logins.principals[client].may
        if at.groups()[:2] != (ORGANIZATION, PROJECT) or "view" not in may:
            raise Refused(403, 7, "permission denied")
        if at[3] != self.app.name:
            raise absent(f"app {at[3]} not found")
        return self._told(at[4] or "", _queried(call), may)

    def _told(self, path: str, query: Mapping[str, Sequence[str]], may: frozenset[str]) -> dict[str, Any]:
        if not path:
            return {"app": {"name": self.app.name, "secret_count": len(self.app.secrets), "project_id": PROJECT}}
        if path == "/secrets":  # its parameter types does nothing, as HashiCorp's operator found
            page, more = self._page(path, query, list(self.app.sorted()))
            return {"secrets": [each.listed() for each in page], **more}
        if "read" not in may:
            raise Refused(403, 7, "permission denied")
        if path == "/secrets:open":
            types = query.get("types") or ("kv", "rotating", "dynamic")
            page, more = self._page(path, query, [each for each in self.app.sorted() if each.kind in types])
            return {"secrets": [each.opened(self.now()) for each in page], **more}
        return self._opened(path)

    def _opened(self, path: str) -> dict[str, Any]:
        found = _OPEN.fullmatch(path)
        if found is None:
            raise absent("Not Found")
        secret = self.app.named(found["name"])
        if not found["version"]:
            return {"secret": secret.opened(self.now())}
        if held := secret.held(int(found["version"])):
            return {"type": secret.kind, **held}
        raise absent(f"version {found['version']} of secret {secret.name} not found")

    def _page(
        self, path: str, query: Mapping[str, Sequence[str]], secrets: Sequence[Secret]
    ) -> tuple[Sequence[Secret], dict[str, Any]]:
        """One page, and where the next begins: a token that means something for this call only."""
        size = min(self.largest_page, int(query.get("pagination.page_size", ["0"])[0]) or PAGE)
        token = query.get("pagination.next_page_token", [""])[0]
        where, _, after = base64.urlsafe_b64decode(token).decode().partition("|") if token else (path, "", "")
        if where != path:
            raise Refused(400, 3, "invalid page token")
        left = [each for each in secrets if each.name > after]
        follows = len(left) > size
        token = base64.urlsafe_b64encode(f"{path}|{left[size - 1].name}".encode()).decode() if follows else ""
        return left[:size], {"pagination": {"next_page_token": token, "previous_page_token": ""}}


def _queried(call: Call) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {}
    for name, value in call.parameters:
        said.setdefault(name, []).append(value)
    return said


def _kind(call: Call) -> str:
    if call.path == "/oauth2/token":
        return "login"
    if call.path.endswith("/secrets"):
        return "list"
    if call.path.endswith("/secrets:open"):
        return "open all"
    return "open" if call.path.endswith(":open") else "app"
