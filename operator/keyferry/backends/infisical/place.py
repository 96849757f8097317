"""Where a store's secrets are: project, environment, folder. A service token knows that itself."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from keyferry.api.providers.infisical import Infisical, InfisicalMethod
from keyferry.backends.infisical.client import Answer, Request
from keyferry.backends.infisical.errors import NotThere, RouteUnknown
from keyferry.backends.infisical.folders import joined
from keyferry.errors import BackendUnavailable, SpecInvalid

Ask = Callable[[str, Request], Awaitable[Answer]]  # operation and request

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_GLOB = re.compile(r"[*?\[\]{}()!+@]")


@dataclass(frozen=True, slots=True)
class Place:
    """A folder. `project` is its ID; `fixed` is a folder that the server takes whichever is asked for."""

    project: str
    called: str  # the project, as the spec calls it
    environment: str
    folder: str
    recursive: bool
    fixed: bool = False

    def words(self, folder: str) -> str:
        """A folder as error texts name it."""
        return f"folder {folder} of environment {self.environment}, project {self.called}"


async def found(spec: Infisical, ask: Ask) -> Place:
    """The place that the spec names, or that its service token is for. Raises SyncError."""
    if spec.auth.method is InfisicalMethod.SERVICE_TOKEN:
        answer = await ask("ReadServiceToken", Request("GET", "/api/v2/service-token"))
        return _of_token(spec, answer.body)
    if spec.project is None or spec.environment is None:
        raise SpecInvalid("spec.provider.infisical: give project and environment; only a ServiceToken says them itself")
    folder = joined(spec.path or "/", "")
    project = spec.project if _ID.fullmatch(spec.project) else await _identity(spec.project, ask)
    return Place(project, spec.project, spec.environment, folder, spec.recursive)


async def _identity(slug: str, ask: Ask) -> str:
    """The ID of the project so called: the current API takes nothing else."""
    try:
        try:
            answer = await ask("FindProject", Request("GET", f"/api/v1/projects/slug/{slug}"))
        except RouteUnknown:  # before there were version 4 secrets
            answer = await ask("FindProject", Request("GET", f"/api/v2/workspace/{slug}"))
    except NotThere:
        raise SpecInvalid(
            f"spec.provider.infisical.project: there is no project {slug}, or the identity is no member of it"
        ) from None
    identity = answer.body.get("id")
    if not isinstance(identity, str):
        raise BackendUnavailable(f"Infisical's answer for project {slug} has no ID in it")
    return identity


def _of_token(spec: Infisical, told: Mapping[str, Any]) -> Place:
    project = told.get("projectId") or told.get("workspace")
    scopes = told.get("scopes")
    if not isinstance(project, str) or not isinstance(scopes, list) or not scopes:
        raise BackendUnavailable("Infisical does not say what the service token is for")
    if spec.project is not None and _ID.fullmatch(spec.project) and spec.project != project:
        raise SpecInvalid("spec.provider.infisical.project: the service token is for another: leave project out")
    environments = sorted({str(scope.get("environment")) for scope in scopes})
    environment = spec.environment or environments[0]
    if environment not in environments or (spec.environment is None and len(environments) > 1):
        raise SpecInvalid(f"spec.provider.infisical.environment: the service token is for {' and '.join(environments)}")
    paths = [str(scope.get("secretPath")) for scope in scopes if scope.get("environment") == environment]
    folder = joined(spec.path or _plain(paths[0]), "")
    fixed = len(scopes) == 1 and not _GLOB.search(paths[0])
    if fixed and folder != joined(paths[0], ""):
        raise SpecInvalid(f"spec.provider.infisical.path: the service token is for {paths[0]}: leave path out")
    # Such a token sees just that folder, and Infisical answers for it whichever folder is asked for.
    return Place(project, spec.project or project, environment, folder, spec.recursive and not fixed, fixed)


def _plain(glob: str) -> str:
    """The part of a path before anything that stands for several."""
    return glob[: match.start()].rpartition("/")[0] if (match := _GLOB.search(glob)) else glob
