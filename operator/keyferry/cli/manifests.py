"""What manifest files declare: stores, and what their logins may name. Nothing of it is applied."""

import base64
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer
import yaml

from keyferry.errors import SyncError
from keyferry.kube.client import JSON, At, Json, Kube, path
from keyferry.kube.status import API
from keyferry.settings import TOKENS_ANNOTATION
from keyferry.values import ApiServer, StoreKey


@dataclass(slots=True)
class Manifests:
    """What was declared. `logins` is by the path under which the API server would have it."""

    stores: dict[StoreKey, Json] = field(default_factory=dict)
    logins: dict[str, Json] = field(default_factory=dict, repr=False)  # Secrets, and ServiceAccounts that allow tokens

    def add(self, body: Json, namespace: str) -> None:
        """Take in one object; without a namespace of its own it is in this one. What is of no interest is left out."""
        metadata = body.get("metadata") or {}
        at, name = str(metadata.get("namespace") or namespace), str(metadata.get("name") or "")
        match body.get("apiVersion"), body.get("kind"):
            case ("v1", "Secret") if name:
                self.logins[path("v1", "secrets", at, name).url] = _as_applied(body)
            case ("v1", "ServiceAccount") if name and TOKENS_ANNOTATION in (metadata.get("annotations") or {}):
                self.logins[path("v1", "serviceaccounts", at, name).url] = {"metadata": metadata}
            case ("v1", "List"):
                for item in body.get("items") or ():
                    self.add(item, namespace)
            case (version, ("SecretStore" | "ClusterSecretStore") as kind) if version == API:
                if not name:
                    raise typer.BadParameter(f"a {kind} has no metadata.name")
                if kind == "SecretStore" and not at:
                    raise typer.BadParameter(f"SecretStore {name} is in a namespace: say in which (--namespace)")
                self.stores[StoreKey(at if kind == "SecretStore" else "", name)] = body


def read(files: Iterable[str], namespace: str) -> Manifests:
    """What the files declare; - is stdin. Raises BadParameter where one cannot be read."""
    manifests = Manifests()
    for file in files:
        for body in _documents(file):
            manifests.add(body, namespace)
    if not manifests.stores:
        raise typer.BadParameter(
            f"there is no SecretStore or ClusterSecretStore of {API} in it", param_hint="--filename"
        )
    return manifests


def _documents(file: str) -> Iterator[Json]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        documents = list(yaml.safe_load_all(text))
    except OSError as e:
        raise typer.BadParameter(f"{file} cannot be read: {e.strerror}") from e
    except (UnicodeDecodeError, yaml.YAMLError) as e:
        # The parser quotes what it choked on, and that may be a value of a Secret.
        mark = getattr(e, "problem_mark", None)
        raise typer.BadParameter(f"{file} is no YAML{f', line {mark.line + 1}' if mark else ''}") from None
    return (document for document in documents if isinstance(document, dict))


def _as_applied(secret: Json) -> Json:
    """The Secret as the API server would give it back: stringData is data."""
    data: dict[str, Any] = dict(secret.get("data") or {})
    for key, text in (secret.get("stringData") or {}).items():
        data[key] = base64.b64encode(str(text).encode()).decode()
    return {"metadata": {**secret["metadata"], "resourceVersion": "0"}, "data": data}


class Nowhere(Kube):
    """No API server at all: whoever needs one is told why there is none."""

    def __init__(self, why: SyncError) -> None:
        """`why` is what is raised."""
        self._why = why

    def api_server(self) -> ApiServer:
        """Raises KubeUnavailable."""
        raise self._why

    async def get(self, at: At, *, accept: str = JSON, **query: str) -> Json:  # noqa: ARG002 - as Kube has it
        """Raises KubeUnavailable that names what was wanted."""
        raise self._why.worded(f"{at.what} is in none of the files, and {self._why}")

    async def send(self, method: str, at: At, **how: Any) -> Json:  # noqa: ARG002 - as Kube has it
        """Raises KubeUnavailable that names what was wanted."""
        raise self._why.worded(f"{at.what} is to be asked for, and {self._why}")


class Previewed(Kube):
    """The API server as it would be if these logins were applied. Nothing is written."""

    def __init__(self, kube: Kube, manifests: Manifests) -> None:
        """What is not declared is asked of `kube`."""
        self._kube = kube
        self._logins = manifests.logins

    def api_server(self) -> ApiServer:
        """Where it really is."""
        return self._kube.api_server()

    async def get(self, at: At, *, accept: str = JSON, **query: str) -> Json:
        """The object, as declared or as it is."""
        declared = self._logins.get(at.url)
        return declared if declared is not None else await self._kube.get(at, accept=accept, **query)

    async def send(self, method: str, at: At, **how: Any) -> Json:
        """As Kube's; a ServiceAccount's token is asked for so."""
        return await self._kube.send(method, at, **how)
