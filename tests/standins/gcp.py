"""A stand-in for Google Cloud: Secret Manager over gRPC, STS and the IAM Credentials API over HTTPS, on this machine.

In a test: `with GcpStandIn() as gcp:`, then `gcp.put("db", b"a value", {"key": "db"})`, `gcp.url` and `gcp.ca`.
"""

import re
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from google.cloud.secretmanager_v1.types import resources

from tests.standins.gcp_iam import Iam
from tests.standins.gcp_secrets import METHODS, Kept, Secrets, State, Version
from tests.standins.gcp_sts import AuthListener, Sts
from tests.standins.gcp_tls import Authority
from tests.standins.gcp_wire import Call, Calls, Faults, Listener

PROJECT, NUMBER = "acme-prod", "123456789012"


class GcpStandIn:
    """One project. What it is asked is in `calls`, what goes wrong in `faults`, who may what in `iam` and `sts`."""

    def __init__(self) -> None:
        self.calls, self.faults = Calls(), Faults()
        self.secrets = Secrets(PROJECT, NUMBER)
        self.iam = Iam(PROJECT)
        self.sts = Sts(self.iam)
        self.admin = self.iam.account("admin")
        authority = Authority()
        self.ca = authority.pem
        tls = authority.certified()
        methods = {name: self._method(name) for name in METHODS}
        self._listener = Listener(methods, tls, self._answer)
        self._login = AuthListener(self.sts, tls, self.calls)

    @property
    def host(self) -> str:
        """As error texts name it."""
        return f"127.0.0.1:{self._listener.port}"

    @property
    def url(self) -> str:
        return f"https://{self.host}"

    @property
    def auth_url(self) -> str:
        return f"https://127.0.0.1:{self._login.port}"

    def put(
        self,
        name: str,
        value: bytes,
        labels: Mapping[str, str] | None = None,
        *,
        annotations: Mapping[str, str] | None = None,
        location: str = "",
    ) -> str:
        """Create the secret, or give it a new version and, where they are given, new marks; returns the number."""
        kept = self.put_empty(name, labels, annotations=annotations, location=location)
        with self.secrets.lock:
            kept.versions.append(Version(len(kept.versions) + 1, value))
            return str(len(kept.versions))

    def put_empty(
        self,
        name: str,
        labels: Mapping[str, str] | None = None,
        *,
        annotations: Mapping[str, str] | None = None,
        location: str = "",
    ) -> Kept:
        """A secret without a version, if it is new."""
        with self.secrets.lock:
            full = self.full(name, location)
            kept = self.secrets.kept.setdefault(full, Kept(resources.Secret(name=full)))
            if labels is not None:
                kept.secret.labels = dict(labels)
            if annotations is not None:
                kept.secret.annotations = dict(annotations)
            return kept

    def alias(self, name: str, **aliases: int) -> None:
        """Give versions of the secret these aliases, and no others."""
        with self.secrets.lock:
            self.secrets.kept[self.full(name)].secret.version_aliases = aliases

    def disable(self, name: str, *, state: Any = State.DISABLED) -> None:
        """The newest version is not to be read any more."""
        with self.secrets.lock:
            self.secrets.kept[self.full(name)].versions[-1].state = state

    def enable(self, name: str) -> None:
        """The newest version can be read again."""
        self.disable(name, state=State.ENABLED)

    def destroy(self, name: str) -> None:
        """The newest version is gone for good."""
        self.disable(name, state=State.DESTROYED)

    def delete(self, name: str) -> None:
        """The secret is gone with all versions."""
        with self.secrets.lock:
            del self.secrets.kept[self.full(name)]

    def full(self, name: str, location: str = "") -> str:
        """As Google calls it."""
        return f"projects/{NUMBER}{f'/locations/{location}' if location else ''}/secrets/{name}"

    def down(self) -> None:
        """Secret Manager cannot be reached any more."""
        self._listener.down()

    def up(self) -> None:
        """It can be reached again, at the same address."""
        self._listener.up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.down()
        self._login.down()

    def _answer(self, method: str, request: Any, bearer: str, peer: str) -> Any:
        permission, resource_of = METHODS[method]
        resource = resource_of(request)
        self.calls.note(Call(method, resource, request, peer))
        return self.faults.answer(method, request, lambda: self._carried_out(method, request, bearer, permission))

    def _carried_out(self, method: str, request: Any, bearer: str, permission: str) -> Any:
        who = self.iam.who(bearer)
        resource = METHODS[method][1](request)
        self.secrets.parent(resource)
        self.iam.demand(who, permission, resource)
        with self.secrets.lock:
            return self._method(method)(request)

    def _method(self, name: str) -> Callable[[Any], Any]:
        method: Callable[[Any], Any] = getattr(self.secrets, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())
        return method
