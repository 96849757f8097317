"""What Google Secret Manager does with secrets, as far as it matters here: names, pages, versions, states, aliases."""

import base64
import itertools
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import google_crc32c
from google.cloud.secretmanager_v1.types import resources, service
from google.protobuf.empty_pb2 import Empty

from tests.standins.gcp_wire import GcpError

_PARENT = re.compile(r"projects/(?P<project>[^/]+)(?P<region>/locations/[^/]+)?")
_SECRET = re.compile(_PARENT.pattern + r"/secrets/(?P<name>[A-Za-z0-9_-]{1,255})(?:/versions/(?P<version>[^/]+))?")
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")  # also letters of other scripts, which are left out here
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_ANNOTATION_KEY = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
LARGEST_VALUE = 65536
LARGEST_PAGE = 25000
State = resources.SecretVersion.State


@dataclass(slots=True)
class Version:
    """A version: numbers count from 1, and none returns."""

    number: int
    data: bytes = field(repr=False)
    state: Any = State.ENABLED


@dataclass(slots=True)
class Kept:
    """A secret and its versions."""

    secret: Any
    versions: list[Version] = field(default_factory=list)


@dataclass(slots=True)
class Secrets:
    """One project's secrets. Names come back with its number, whichever of both was asked for. One lock guards it.

    The methods with a request are the API's own.
    """

    project: str
    number: str
    page_limit: int = LARGEST_PAGE
    kept: dict[str, Kept] = field(default_factory=dict)  # by full name with the number
    lock: threading.RLock = field(default_factory=threading.RLock)
    _etags: Any = field(default_factory=itertools.count)

    def parent(self, name: str) -> str:
        """As Google calls it: with the project's number."""
        found = _PARENT.match(name)
        if found is None or found["project"] not in {self.project, self.number}:
            raise GcpError("PERMISSION_DENIED", f"Permission denied on resource {name}.", reason="CONSUMER_INVALID")
        return f"projects/{self.number}{found['region'] or ''}"

    def found(self, name: str) -> Kept:
        kept = self.kept.get(self._named(name)[0])
        if kept is None:
            raise GcpError("NOT_FOUND", f"Secret [{name}] not found.")
        return kept

    def version(self, name: str) -> tuple[Kept, Version]:
        full, wanted = self._named(name)
        kept = self.kept.get(full)
        if kept is None or (wanted == "latest" and not kept.versions):
            raise GcpError("NOT_FOUND", f"Secret [{full}] not found or has no versions.")
        if wanted == "latest":
            return kept, kept.versions[-1]
        number = kept.secret.version_aliases.get(wanted, wanted)
        found = [each for each in kept.versions if str(each.number) == str(number)]
        if not found:
            raise GcpError("NOT_FOUND", f"Secret Version [{full}/versions/{wanted}] not found.")
        return kept, found[0]

    def list_secrets(self, request: service.ListSecretsRequest) -> service.ListSecretsResponse:
        parent = self.parent(request.parent)
        matches = _matcher(request.filter)
        listed = [kept.secret for name, kept in self.kept.items() if _parent_of(name) == parent and matches(name)]
        start = int(base64.b64decode(request.page_token or b"MA=="))
        size = min(request.page_size or LARGEST_PAGE, LARGEST_PAGE, self.page_limit)
        more = base64.b64encode(str(start + size).encode()).decode() if start + size < len(listed) else ""
        return service.ListSecretsResponse(
            secrets=listed[start : start + size], next_page_token=more, total_size=len(listed)
        )

    def create_secret(self, request: service.CreateSecretRequest) -> resources.Secret:
        name = f"{self.parent(request.parent)}/secrets/{request.secret_id}"
        if name in self.kept:
            raise GcpError("ALREADY_EXISTS", f"Secret [{name}] already exists.")
        if not _SECRET.fullmatch(name):
            raise GcpError("INVALID_ARGUMENT", "The secret ID is malformed.")
        automatic = "replication" in request.secret
        if automatic == ("/locations/" in name):
            raise GcpError("INVALID_ARGUMENT", "Global secrets have a replication policy, and regional ones have none.")
        _check_marks(request.secret)
        secret = resources.Secret(request.secret)
        secret.name, secret.etag = name, f'"{next(self._etags):x}"'
        self.kept[name] = Kept(secret)
        return secret

    def get_secret(self, request: service.GetSecretRequest) -> resources.Secret:
        return self.found(request.name).secret

    def update_secret(self, request: service.UpdateSecretRequest) -> resources.Secret:
        secret = self.found(request.secret.name).secret
        _check_marks(request.secret)
        for path in request.update_mask.paths:
            setattr(secret, path, getattr(request.secret, path))
        return secret

    def delete_secret(self, request: service.DeleteSecretRequest) -> Empty:
        self.found(request.name)
        del self.kept[self._named(request.name)[0]]
        return Empty()

    def add_secret_version(self, request: service.AddSecretVersionRequest) -> resources.SecretVersion:
        kept, data = self.found(request.parent), request.payload.data
        if len(data) > LARGEST_VALUE:
            raise GcpError("INVALID_ARGUMENT", "The payload exceeds 65536 bytes.")
        if "data_crc32c" in request.payload and request.payload.data_crc32c != google_crc32c.value(data):
            raise GcpError("INVALID_ARGUMENT", "The checksum is not that of the payload.")
        kept.versions.append(Version(len(kept.versions) + 1, data))
        return resources.SecretVersion(name=f"{kept.secret.name}/versions/{len(kept.versions)}", state=State.ENABLED)

    def access_secret_version(self, request: service.AccessSecretVersionRequest) -> service.AccessSecretVersionResponse:
        kept, version = self.version(request.name)
        name = f"{kept.secret.name}/versions/{version.number}"
        if version.state != State.ENABLED:
            raise GcpError("FAILED_PRECONDITION", f"Secret Version [{name}] is in {version.state.name} state.")
        payload = resources.SecretPayload(data=version.data, data_crc32c=google_crc32c.value(version.data))
        return service.AccessSecretVersionResponse(name=name, payload=payload)

    def _named(self, name: str) -> tuple[str, str]:
        found = _SECRET.fullmatch(name)
        if found is None:
            raise GcpError("INVALID_ARGUMENT", f"The provided name [{name}] does not match the expected format.")
        return f"{self.parent(name)}/secrets/{found['name']}", found["version"] or ""


METHODS: dict[str, tuple[str, Callable[[Any], str]]] = {  # the permission that IAM asks for, and on what
    "ListSecrets": ("secretmanager.secrets.list", lambda request: str(request.parent)),
    "CreateSecret": ("secretmanager.secrets.create", lambda request: str(request.parent)),
    "GetSecret": ("secretmanager.secrets.get", lambda request: str(request.name)),
    "UpdateSecret": ("secretmanager.secrets.update", lambda request: str(request.secret.name)),
    "DeleteSecret": ("secretmanager.secrets.delete", lambda request: str(request.name)),
    "AddSecretVersion": ("secretmanager.versions.add", lambda request: str(request.parent)),
    "AccessSecretVersion": ("secretmanager.versions.access", lambda request: str(request.name)),
}


def _parent_of(name: str) -> str:
    return name.partition("/secrets/")[0]


def _matcher(text: str) -> Callable[[str], bool]:
    """Of Google's filters only what Keyferry asks for: a part of the name."""
    if not text:
        return lambda _: True
    if not re.fullmatch(r"name:[A-Za-z0-9_-]+", text):
        raise GcpError("INVALID_ARGUMENT", "Invalid filter.")
    return lambda name: text.removeprefix("name:") in name


def _check_marks(secret: Any) -> None:
    """The limits that Google's documentation gives for labels and annotations."""
    good = all(_LABEL_KEY.fullmatch(key) and _LABEL_VALUE.fullmatch(value) for key, value in secret.labels.items())
    good = good and len(secret.labels) <= 64 and all(_ANNOTATION_KEY.fullmatch(key) for key in secret.annotations)
    size = sum(len((key + value).encode()) for key, value in secret.annotations.items())
    if not good or size > 16384:
        raise GcpError("INVALID_ARGUMENT", "Labels or annotations are malformed.")
