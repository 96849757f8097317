"""Where a store's secrets are: project, region and addresses, checked before anything is sent there. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from keyferry.api.providers.gcp import Gcp
from keyferry.errors import SpecInvalid

ENDPOINT_FLAG = "--allow-endpoint"
SERVICE = "secretmanager.googleapis.com"

_SECRET = re.compile(r"[A-Za-z0-9_-]{1,255}")
_VERSION = re.compile(r"[A-Za-z0-9_-]{1,63}")


@dataclass(frozen=True, slots=True)
class Place:
    """A project, global or in one region, and the addresses that answer for it."""

    parent: str  # as the API names what holds secrets: projects/P, or projects/P/locations/L
    regional: bool
    target: str  # host:port of Secret Manager
    sts: str  # an URL without path
    iam: str  # likewise, of the IAM Credentials API

    def secret(self, name: str) -> str:
        """The secret's full name. Google answers with the project's number in it, whatever was asked."""
        return f"{self.parent}/secrets/{name}"

    def version(self, name: str, version: str) -> str:
        """The full name of one of its versions; "" is the newest."""
        return f"{self.secret(name)}/versions/{version or 'latest'}"


def place_of(spec: Gcp, allowed: Callable[[str], bool]) -> Place:
    """The store's place. Raises SpecInvalid that names the field and what to write instead."""
    project = f"projects/{spec.project_id}"
    own = f"https://secretmanager.{spec.location}.rep.googleapis.com" if spec.location else f"https://{SERVICE}"
    host = urlsplit(_checked("endpoint", spec.endpoint, allowed) or own)
    login = _checked("authEndpoint", spec.auth_endpoint, allowed)
    return Place(
        parent=f"{project}/locations/{spec.location}" if spec.location else project,
        regional=spec.location is not None,
        target=f"{host.netloc}" if host.port else f"{host.netloc}:443",
        sts=login or "https://sts.googleapis.com",
        iam=login or "https://iamcredentials.googleapis.com",
    )


def nameable(name: str, version: str = "") -> bool:
    """Whether a secret, and a version of it, can be called so. What cannot is not asked for."""
    return _SECRET.fullmatch(name) is not None and (not version or _VERSION.fullmatch(version) is not None)


def _checked(field: str, url: str | None, allowed: Callable[[str], bool]) -> str | None:
    if url is None:
        return None
    url = url.rstrip("/")
    try:
        sound = urlsplit(url).hostname and (urlsplit(url).port or 443)
    except ValueError:
        sound = None
    if not sound:
        raise SpecInvalid(f"spec.provider.gcp.{field}: {url} is no address; write one such as https://host:8443")
    if not allowed(url):
        raise SpecInvalid(
            f"spec.provider.gcp.{field}: this store may not send requests to {url}; whoever runs the operator can "
            f"allow it with {ENDPOINT_FLAG}={url}"
        )
    return url
