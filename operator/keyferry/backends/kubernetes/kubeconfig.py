"""A kubeconfig that a tenant wrote: server, certificates and token are taken, and nothing else is obeyed. Pure."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from keyferry.errors import CredentialsMissing, SpecInvalid

_CLUSTER = {"server", "certificate-authority-data"}
_USER = {"token", "client-certificate-data", "client-key-data"}
_IDLE = {"extensions", "disable-compression"}
# What the operator would run, read of its own disk, or be led by; named in the error, since nobody else's words may be.
_REFUSED = (
    "exec",
    "auth-provider",
    "tokenFile",
    "certificate-authority",
    "client-certificate",
    "client-key",
    "insecure-skip-tls-verify",
    "proxy-url",
    "tls-server-name",
    "username",
    "password",
    "as",
    "as-uid",
    "as-groups",
    "as-user-extra",
)


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """What is honoured of one."""

    server: str
    authority: bytes | None = None
    token: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)


def read(text: bytes, where: str) -> Kubeconfig:
    """The current context's server and user. Raises CredentialsMissing or SpecInvalid; `where` is the Secret."""
    try:
        config = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise CredentialsMissing(f"{where} holds no kubeconfig")
    context = _named(config, "contexts", "context", config.get("current-context"), where)
    cluster = _named(config, "clusters", "cluster", context.get("cluster"), where)
    user = _named(config, "users", "user", context.get("user"), where)
    _refuse(cluster, _CLUSTER, where)
    _refuse(user, _USER, where)
    made = Kubeconfig(
        server=_text(cluster, "server", where),
        authority=_data(cluster, "certificate-authority-data", where) or None,
        token=_text(user, "token", where),
        certificate=_data(user, "client-certificate-data", where),
        key=_data(user, "client-key-data", where),
    )
    if not made.server:
        raise CredentialsMissing(f"{where}: the current context's cluster has no server")
    if not made.token and not (made.certificate and made.key):
        raise CredentialsMissing(
            f"{where}: the current context's user has neither a token nor client-certificate-data and client-key-data"
        )
    return made


def _named(config: Mapping[str, Any], many: str, one: str, name: Any, where: str) -> Mapping[str, Any]:
    listed = config.get(many)
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict) and each.get("name") == name and isinstance(each.get(one), dict):
            found: Mapping[str, Any] = each[one]
            return found
    raise CredentialsMissing(f"{where}: the kubeconfig's current context leads to none of its {many}")


def _refuse(part: Mapping[str, Any], honoured: set[str], where: str) -> None:
    named = next((each for each in _REFUSED if each in part), None)
    if named is None and not part.keys() <= honoured | _IDLE:
        named = "a field that Keyferry does not know"
    if named:
        raise SpecInvalid(
            f"{where}: the kubeconfig has {named}, which is not obeyed: only server, certificate-authority-data, "
            "token, client-certificate-data and client-key-data are; no commands, no files, no plugins"
        )


def _text(part: Mapping[str, Any], name: str, where: str) -> str:
    found = part.get(name)
    if found is not None and not isinstance(found, str):
        raise CredentialsMissing(f"{where}: the kubeconfig's {name} is no text")
    return (found or "").strip()


def _data(part: Mapping[str, Any], name: str, where: str) -> bytes:
    try:
        return base64.b64decode("".join(_text(part, name, where).split()), validate=True)
    except (binascii.Error, ValueError):
        raise CredentialsMissing(f"{where}: the kubeconfig's {name} is no Base64") from None
