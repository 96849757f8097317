"""A stand-in for Infisical: logins, service tokens, secrets by API version 4 and 3, folders, on a port of this machine.

Written from the public server's routes and errors. `with InfisicalStandIn() as infisical:`, then
`infisical.put("payments/db", "a value")`, `infisical.universal_auth()` and `infisical.url`.
"""

import functools
import re
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.servers import certificates
from tests.standins.infisical_secrets import Project, Refused, Rule, Version, View, above, absent
from tests.standins.infisical_wire import etagged
from tests.standins.wire import Answer, Call, Listener

Review = Callable[[str], str]  # of a ServiceAccount's token: what is wrong with it; "" where nothing is

_SECRETS = re.compile(r"/api/(v4/secrets|v3/secrets/raw)(/(?P<key>.+))?")
_DEFAULTS = {"viewSecretValue": True, "expandSecretReferences": False, "recursive": False, "include_imports": False}


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose a token is, and until when it holds."""

    who: str
    until: float
    scopes: tuple[Mapping[str, str], ...] = ()  # of a service token
    project: str = ""


@dataclass(slots=True)
class Logins:
    """Machine identities, and what they log in with."""

    life: int = 7200  # seconds that a token holds
    clients: dict[str, tuple[str, str]] = field(default_factory=dict)  # client ID -> client secret, identity
    reviews: dict[str, Review] = field(default_factory=dict)  # by identity
    tokens: dict[str, Caller] = field(default_factory=dict)


@functools.cache
def _certificate() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="keyferry-infisical-"))
    (folder / "ca.crt").write_bytes(certificates.write(folder))
    return folder


class InfisicalStandIn:
    """One Infisical with one project. What it was asked is in `wire.calls`, what goes wrong in `wire.failing`."""

    def __init__(self, *, knows: Iterable[int] = (4, 3), hides: bool = False, etags: bool = True) -> None:
        self.knows, self.hides = set(knows), hides
        self.project = Project("shop")
        self.rules: dict[str, list[Rule]] = {}  # by identity; none: it may do everything
        self.logins = Logins()
        self.wire = Listener(etagged(self._answer) if etags else self._answer, _certificate())

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

    def put(self, name: str, value: str, tags: Mapping[str, str] | None = None, **more: Any) -> str:
        """Give a secret of environment prod a new value, and metadata; its name."""
        folder, _, key = f"/{name}".rpartition("/")
        metadata = tuple({"key": key, "value": text} for key, text in (tags or {}).items())
        version = Version(value, tuple(more.pop("slugs", ())), metadata)
        self.project.put(folder or "/", key, version, **more)
        return name

    def delete(self, name: str) -> None:
        folder, _, key = f"/{name}".rpartition("/")
        del self.project.environments["prod"][folder or "/"][key]

    def universal_auth(self, identity: str = "reader") -> tuple[str, str]:
        """A client ID and client secret."""
        client, secret = str(uuid.uuid4()), uuid.uuid4().hex
        self.logins.clients[client] = (secret, identity)
        return client, secret

    def kubernetes_auth(self, review: Review, identity: str = "") -> str:
        """An identity that logs in by ServiceAccounts' tokens; its ID."""
        identity = identity or str(uuid.uuid4())
        self.logins.reviews[identity] = review
        return identity

    def service_token(self, *scopes: tuple[str, str], life: float = 3600) -> str:
        """A service token for so many seconds; its last part is not for the server."""
        token = f"st.{uuid.uuid4().hex[:12]}.{uuid.uuid4().hex}"
        told = tuple({"environment": environment, "secretPath": path} for environment, path in scopes)
        self.logins.tokens[token] = Caller("service", time.time() + life, told, self.project.identity)
        return f"{token}.{uuid.uuid4().hex}"

    def revoke_tokens(self) -> None:
        self.logins.tokens.clear()

    def deny(self, action: str, folder: str = "/**", key: str = "*", *, identity: str = "reader") -> None:
        """Somebody may not do this, whatever else allows it."""
        self.rules.setdefault(identity, []).append(Rule((action,), folder, key, inverted=True))

    def allow(self, *rules: Mapping[str, Any], identity: str = "reader") -> None:
        """Somebody may do this and nothing else; rules as the documentation has them."""
        self.rules[identity] = [Rule.of(each) for each in rules]

    def counts(self) -> dict[str, int]:
        """How many calls there were: lists, those of them that were answered with 304, reads, logins, others."""
        return dict(Counter(_kind(call, status) for call, status in self.wire.calls))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wire.down()

    def _answer(self, call: Call) -> Answer:
        try:
            return self._routed(call)
        except Refused as refused:
            content = {"reqId": "req-1", "statusCode": refused.status, "message": str(refused), "error": refused.error}
            return Answer.of(content, refused.status)

    def _routed(self, call: Call) -> Answer:
        login = {"universal-auth": self._universal, "kubernetes-auth": self._kubernetes}
        if call.path.endswith("/login"):
            return login[call.path.split("/")[4]](call.body)
        secrets = _SECRETS.fullmatch(call.path)
        if secrets and self._knows(call.path):
            return self._secrets(call, secrets["key"] or "", self._caller(call))
        if call.path == ("/api/v2/folders" if 4 in self.knows else "/api/v1/folders"):
            return self._new_folder(call.body, self._caller(call))
        if call.path == "/api/v2/service-token" and (caller := self._caller(call)).scopes:
            return Answer.of({"projectId": caller.project, "scopes": list(caller.scopes), "permissions": ["read"]})
        for version, prefix in ((4, "/api/v1/projects/slug/"), (3, "/api/v2/workspace/")):
            if version in self.knows and call.path.startswith(prefix):
                return self._found(call.path.removeprefix(prefix), self._caller(call))
        message = f"Route {call.method}:{call.path} not found"
        return Answer.of({"message": message, "error": "Not Found", "statusCode": 404}, 404)

    def _knows(self, path: str) -> bool:
        return any(path.startswith(f"/api/v{version}/") for version in self.knows)

    def _universal(self, body: Mapping[str, Any]) -> Answer:
        secret, identity = self.logins.clients.get(body.get("clientId", ""), ("", ""))
        if not secret or secret != body.get("clientSecret"):
            raise Refused(401, "Invalid credentials", "UnauthorizedError")
        return self._issued(identity)

    def _kubernetes(self, body: Mapping[str, Any]) -> Answer:
        review = self.logins.reviews.get(body.get("identityId", ""))
        if review is None:
            message = "Kubernetes auth method not found for identity, did you configure Kubernetes auth?"
            raise absent(message)
        if wrong := review(body.get("jwt", "")):
            raise Refused(401, f"Access denied: {wrong}", "UnauthorizedError")
        return self._issued(body["identityId"])

    def _issued(self, identity: str) -> Answer:
        token = f"eyJ.{uuid.uuid4().hex}"
        self.logins.tokens[token] = Caller(identity, time.time() + self.logins.life)
        more = {"accessTokenMaxTTL": 2592000, "tokenType": "Bearer"}
        return Answer.of({"accessToken": token, "expiresIn": self.logins.life, **more})

    def _caller(self, call: Call) -> Caller:
        if not call.token:
            raise Refused(401, "Token missing", "UnauthorizedError")
        caller = self.logins.tokens.get(call.token)
        if call.token.startswith("st."):
            return self._service(call.token, caller)
        if caller is None or caller.until < time.time():
            raise Refused(403, "Your token has expired. Please re-authenticate.", "TokenError")
        return caller

    def _service(self, token: str, caller: Caller | None) -> Caller:
        """As the server's fnValidateServiceToken judges it."""
        _, identity, _ = token.split(".")
        if caller is not None and caller.until >= time.time():
            return caller
        if caller is not None:
            del self.logins.tokens[token]
            raise Refused(403, "Service token has expired", "ForbiddenRequest")
        if any(identity == each.split(".")[1] for each in self.logins.tokens):
            raise Refused(401, "Invalid service token", "UnauthorizedError")
        raise absent(f"Service token with ID '{identity}' not found")

    def _view(self, identity: str, caller: Caller) -> View:
        if identity != self.project.identity:
            raise absent(f"Project with ID '{identity}' not found")
        if self.project.members and caller.who not in self.project.members:
            raise Refused(403, "You are not a member of this project", "ForbiddenRequestError")
        return View(self.project, list(self.rules.get(caller.who, [])), self.hides)

    def _found(self, slug: str, caller: Caller) -> Answer:
        if slug != self.project.slug or (self.project.members and caller.who not in self.project.members):
            raise absent(f"Project with slug '{slug}' not found")
        return Answer.of({"id": self.project.identity, "slug": slug, "name": slug})

    def _secrets(self, call: Call, key: str, caller: Caller) -> Answer:
        said = call.query if call.method == "GET" else call.body
        project = said.get("projectId" if call.path.startswith("/api/v4") else "workspaceId", "")
        environment, folder = said.get("environment", ""), said.get("secretPath", "/").rstrip("/") or "/"
        if call.method == "GET" and len(caller.scopes) == 1 and "*" not in caller.scopes[0]["secretPath"]:
            environment, folder = caller.scopes[0]["environment"], caller.scopes[0]["secretPath"]
        view = self._view(project, caller)
        if caller.scopes and not any(_covers(scope, environment, folder) for scope in caller.scopes):
            raise Refused(403, "You are not allowed to describeSecret on secrets", "PermissionDenied")
        if call.method != "GET":
            return self._written(call, view, (environment, folder, key))
        flags = {name: said.get(name, "true" if default else "false") == "true" for name, default in _DEFAULTS.items()}
        if not key:
            if not view.may_somewhere("describeSecret"):
                raise Refused(403, "You are not allowed to describeSecret on secrets", "PermissionDenied")
            return Answer.of(view.list(environment, folder, flags))
        return Answer.of({"secret": view.one(environment, folder, key, flags, int(said.get("version", 0)))})

    def _written(self, call: Call, view: View, at: tuple[str, str, str]) -> Answer:
        environment, folder, key = at
        held = view.project.folder(environment, folder)
        view.demand({"POST": "create", "PATCH": "edit", "DELETE": "delete"}[call.method], environment, folder, key)
        if (key in held) is (call.method == "POST"):
            if key in held:
                raise Refused(400, "Secret already exist", "BadRequest")
            raise absent(f"Secret with name '{key}' not found")
        if view.project.approved:
            return Answer.of({"approval": {"id": "a-1", "status": "open"}})
        shown = {"viewSecretValue": True, "expandSecretReferences": False}
        if call.method == "DELETE":
            return Answer.of({"secret": view.told(environment, folder, held.pop(key), shown)})
        before = held[key].versions[-1] if key in held else Version("", (), ())
        slugs = {identity: slug for slug, identity in view.project.tags.items()}
        tags = tuple(slugs[each] for each in call.body["tagIds"]) if "tagIds" in call.body else before.tags
        metadata = tuple(call.body.get("secretMetadata", before.metadata))
        version = Version(_trimmed(call.body["secretValue"]), tags, metadata)
        secret = view.project.put(folder, key, version, environment)
        return Answer.of({"secret": view.told(environment, folder, secret, shown)})

    def _new_folder(self, body: Mapping[str, Any], caller: Caller) -> Answer:
        view = self._view(body.get("projectId", body.get("workspaceId", "")), caller)
        view.demand("create", body["environment"], body["path"], "", "secret-folders")
        if not re.fullmatch(r"[A-Za-z0-9_-]+", body["name"]):
            raise Refused(422, "Folder name can only contain letters, numbers, dashes, and underscores", "Validation")
        folders = view.project.environments[body["environment"]]
        path = f"{body['path'].rstrip('/')}/{body['name']}"
        if path in folders:
            raise Refused(400, "Folder with specified name already exists", "BadRequest")
        for each in above(path):
            folders.setdefault(each, {})
        return Answer.of({"folder": {"id": "f-1", "name": body["name"]}})


def _covers(scope: Mapping[str, str], environment: str, folder: str) -> bool:
    root = scope["secretPath"].split("*")[0].rstrip("/") or "/"
    inside = folder == root or ("*" in scope["secretPath"] and folder.startswith(root))
    return scope["environment"] == environment and inside


def _trimmed(value: str) -> str:
    """As the server keeps a value."""
    return value.strip() + ("\n" if value.endswith("\n") else "")


def _kind(call: Call, status: int) -> str:
    found = _SECRETS.fullmatch(call.path)
    if not found:
        return "login" if "/auth/" in call.path else call.path.split("/")[3]
    if call.method != "GET":
        return call.method.lower()
    if found["key"]:
        return "read"
    return "list 304" if status == 304 else "list"
