"""Vaults of the Azure stand-in: secrets with versions, attributes and tags, and who may do what with them."""

import base64
import json
import re
import secrets
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import jwt

from tests.standins.azure_entra import RESOURCE, TENANT, Entra
from tests.standins.azure_wire import Answer, AzureError, Request, json_answer

_ACTIONS = "Microsoft.KeyVault/vaults/secrets/"
METADATA, GET = f"{_ACTIONS}readMetadata/action", f"{_ACTIONS}getSecret/action"
SECRETS_USER = frozenset({METADATA, GET})
EVERYTHING = frozenset({"*"})
NEEDED = {
    "ListSecrets": METADATA,
    "GetSecret": GET,
    "SetSecret": f"{_ACTIONS}setSecret/action",
    "DeleteSecret": f"{_ACTIONS}delete",
    "GetDeletedSecret": METADATA,
    "RecoverDeletedSecret": f"{_ACTIONS}recover/action",
    "PurgeDeletedSecret": f"{_ACTIONS}purge/action",
}
LARGEST, MOST_TAGS, LONGEST_TAG, PAGE = 25 * 1024, 15, 256, 25
_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")


@dataclass(slots=True)
class Clock:
    """The vaults' own. It stands still once it is set."""

    at: float | None = None

    def now(self) -> float:
        return time.time() if self.at is None else self.at

    def advance(self, seconds: float) -> None:
        self.at = self.now() + seconds


@dataclass(slots=True)
class Version:
    """One version of a secret."""

    id: str
    value: str = field(repr=False)
    tags: dict[str, str]
    attributes: dict[str, Any]


@dataclass(slots=True)
class Secret:
    """A secret: its name as it was first written, and its versions, the newest last."""

    name: str
    versions: list[Version] = field(default_factory=list)


@dataclass(slots=True)
class Vault:
    """Secrets by their names in lower case, since case makes no difference."""

    secrets: dict[str, Secret] = field(default_factory=dict)
    deleted: dict[str, Secret] = field(default_factory=dict)
    grants: dict[str, Collection[str]] = field(default_factory=dict)  # client ID -> data actions


@dataclass(slots=True)
class Vaults:
    """Answers Key Vault's calls. One lock guards all of it."""

    entra: Entra
    clock: Clock = field(default_factory=Clock)
    page: int = PAGE
    vaults: dict[str, Vault] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def answer(self, request: Request) -> Answer:
        with self.lock:
            try:
                got = self._answer(request)
            except AzureError as e:
                got = e.answer
        date = formatdate(self.clock.now(), usegmt=True)
        return Answer(got.status, got.body, {"Date": date, **got.headers})

    def vault(self, address: str) -> Vault:
        return self.vaults.setdefault(address, Vault())

    def write(self, vault: Vault, name: str, value: str, tags: Mapping[str, str], **attributes: Any) -> Version:
        """A new version of the secret."""
        now = int(self.clock.now())
        kept = {"enabled": True, "created": now, "updated": now, **attributes}
        version = Version(secrets.token_hex(16), value, dict(tags), kept)
        vault.secrets.setdefault(name.lower(), Secret(name)).versions.append(version)
        return version

    def _answer(self, request: Request) -> Answer:
        vault = self._permitted(request)
        if "api-version" not in request.query:
            raise AzureError(400, "BadParameter", "api-version must be specified")
        _, _, *parts = request.path.rstrip("/").split("/")
        match request.action:
            case "ListSecrets":
                return self._list(request, vault)
            case "GetSecret":
                return self._get(request, vault, *parts)
            case "SetSecret":
                return self._set(request, vault, *parts)
            case "DeleteSecret":
                return self._delete(request, vault, *parts)
            case "GetDeletedSecret":
                return json_answer(_deleted_view(request, _found(vault.deleted, parts[0])))
            case "RecoverDeletedSecret":
                return self._recover(request, vault, parts[0])
        raise AzureError(405, "NotAllowed", "the stand-in cannot do that")

    def _permitted(self, request: Request) -> Vault:
        """The vault, for a caller who may do that. Raises AzureError."""
        challenge = f'Bearer authorization="{self.entra.base}/{TENANT}", resource="{RESOURCE}"'
        refused = {"WWW-Authenticate": challenge}
        header = request.headers.get("authorization", "")
        if not header.startswith("Bearer "):
            raise AzureError(401, "Unauthorized", "AKV10000: Request is missing a Bearer token.", headers=refused)
        try:
            caller = self.entra.caller(header)
        except jwt.PyJWTError as e:
            raise AzureError(401, "Unauthorized", f"AKV10022: {e} ({header})", headers=refused) from None
        vault = self.vaults.get(request.vault)
        if vault is None:
            raise AzureError(404, "VaultNotFound", "no such vault")
        granted = vault.grants.get(caller, ())
        if "*" not in granted and NEEDED.get(request.action) not in granted:
            said = f"Caller is not authorized to perform action on resource. Caller: appid={caller} {header}"
            raise AzureError(403, "Forbidden", said, "ForbiddenByRbac")
        return vault

    def _list(self, request: Request, vault: Vault) -> Answer:
        size = int(request.query.get("maxresults", self.page))
        if not 1 <= size <= PAGE:
            raise AzureError(400, "BadParameter", "maxresults must be between 1 and 25")
        start = int(base64.urlsafe_b64decode(request.query.get("$skiptoken", "MA==")))
        everything = [secret for _, secret in sorted(vault.secrets.items())]
        listed = [
            _view(request, secret, secret.versions[-1], whole=False) for secret in everything[start : start + size]
        ]
        link = None
        if start + size < len(everything):
            token = base64.urlsafe_b64encode(str(start + size).encode()).decode()
            version = request.query["api-version"]
            link = f"https://{request.host}/secrets?api-version={version}&$skiptoken={token}&maxresults={size}"
        return json_answer({"value": listed, "nextLink": link})

    def _get(self, request: Request, vault: Vault, name: str, version: str = "") -> Answer:
        secret = _found(vault.secrets, name)
        wanted = [each for each in secret.versions if version in ("", each.id)]
        if not wanted:
            raise AzureError(404, "SecretNotFound", f"A secret with (name/id) {name}/{version} was not found.")
        if not wanted[-1].attributes["enabled"]:
            said = "Operation get is not allowed on a disabled secret."
            raise AzureError(403, "Forbidden", said, "SecretDisabled")
        return json_answer({**_view(request, secret, wanted[-1]), "value": wanted[-1].value})

    def _set(self, request: Request, vault: Vault, name: str) -> Answer:
        content = json.loads(request.body)
        value, tags = content["value"], content.get("tags") or {}
        if not _NAME.fullmatch(name):
            raise AzureError(400, "BadParameter", f"The request URI contains an invalid name: {name}")
        if len(value.encode()) > LARGEST:
            raise AzureError(400, "BadParameter", "The value is too long.")
        if len(tags) > MOST_TAGS or any(len(part) > LONGEST_TAG for tag in tags.items() for part in tag):
            raise AzureError(400, "BadParameter", "Too many tags, or too long ones.")
        if name.lower() in vault.deleted:
            said = f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused."
            raise AzureError(409, "Conflict", said, "ObjectIsDeletedButRecoverable")
        version = self.write(vault, name, value, tags, **(content.get("attributes") or {}))
        return json_answer({**_view(request, vault.secrets[name.lower()], version), "value": value})

    def _delete(self, request: Request, vault: Vault, name: str) -> Answer:
        secret = _found(vault.secrets, name)
        vault.deleted[name.lower()] = vault.secrets.pop(name.lower())
        return json_answer(_deleted_view(request, secret))

    def _recover(self, request: Request, vault: Vault, name: str) -> Answer:
        secret = _found(vault.deleted, name)
        vault.secrets[name.lower()] = vault.deleted.pop(name.lower())
        return json_answer(_view(request, secret, secret.versions[-1]))


def _found(among: Mapping[str, Secret], name: str) -> Secret:
    secret = among.get(name.lower())
    if secret is None:
        raise AzureError(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")
    return secret


def _view(request: Request, secret: Secret, version: Version, *, whole: bool = True) -> dict[str, Any]:
    address = f"https://{request.host}/secrets/{secret.name}" + (f"/{version.id}" if whole else "")
    attributes = {**version.attributes, "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90}
    return {"id": address, "attributes": attributes, "tags": version.tags}


def _deleted_view(request: Request, secret: Secret) -> dict[str, Any]:
    recovery = f"https://{request.host}/deletedsecrets/{secret.name}"
    return {**_view(request, secret, secret.versions[-1]), "recoveryId": recovery}
