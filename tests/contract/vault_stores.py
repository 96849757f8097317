"""Stores on a real Vault behind the counting proxy, as tests write them."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keyferry.api.providers.references import ServiceAccountRef
from keyferry.api.providers.vault import Vault
from keyferry.backends.vault import VaultBackend, create
from keyferry.values import Entry, Fetched, Ref, Scope, Value
from tests.contract.aws_stores import ISSUER, SIGNER, signed
from tests.contract.context import SeededCluster, context
from tests.servers.vault_server import VaultServer
from tests.standins.vault_proxy import VaultProxy

DB = Ref("app/db")
LOGIN = "vault-login"  # the Secret that holds the login
CA = "vault-ca"
PUBLIC_KEY = SIGNER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
TOKEN = {"method": "Token", "secretRef": {"name": LOGIN, "key": "token"}}


def everything(vault: VaultServer, mount: str) -> str:
    """A policy that allows everything in an engine; its name."""
    return vault.policy((f"{mount}/*", ("create", "read", "update", "delete", "list")))


def holding(vault: VaultServer, **secret: str) -> SeededCluster:
    """A cluster whose Secrets hold the login and Vault's certificate authority."""
    login = {key: text.encode() for key, text in secret.items()}
    return SeededCluster({LOGIN: login, CA: {"ca.crt": vault.ca.read_bytes()}})


def store(
    vault: VaultProxy,
    mount: str,
    auth: dict[str, Any] | None = None,
    *,
    token: str = "",
    spec: dict[str, Any] | None = None,
    **surroundings: Any,
) -> VaultBackend:
    """A store that logs in with a token unless told otherwise. `surroundings`: as for `context`."""
    surroundings.setdefault("cluster", holding(vault.vault, token=token or vault.vault.root_token))
    place = {
        "server": vault.url,
        "rootEngine": mount,
        "caProvider": {"type": "Secret", "name": CA, "key": "ca.crt"},
    } | (spec or {})
    return create(Vault.model_validate({**place, "auth": auth or TOKEN}), context(**surroundings))


def app_role(vault: VaultServer, policy: str, **role: Any) -> tuple[dict[str, Any], str]:
    """An AppRole on a mount of its own: the login, and its secret ID."""
    mount = vault.login("approle")
    at = f"auth/{mount}/role/app"
    vault.request("POST", at, {"token_policies": [policy], "token_ttl": "10m", **role})
    role_id = vault.request("GET", f"{at}/role-id")["data"]["role_id"]
    secret_id = vault.request("POST", f"{at}/secret-id")["data"]["secret_id"]
    ref = {"name": LOGIN, "key": "secret-id"}
    return {"method": "AppRole", "mount": mount, "role": role_id, "secretRef": ref}, secret_id


def userpass(vault: VaultServer, policy: str, password: str) -> dict[str, Any]:
    """A user on a mount of its own."""
    mount = vault.login("userpass")
    vault.request("POST", f"auth/{mount}/users/keyferry", {"password": password, "token_policies": [policy]})
    ref = {"name": LOGIN, "key": "password"}
    return {"method": "Userpass", "mount": mount, "username": "keyferry", "secretRef": ref}


def jwt_login(vault: VaultServer, policy: str, **role: Any) -> dict[str, Any]:
    """A role for the ServiceAccount payments/keyferry, whose tokens Vault verifies by the issuer's key."""
    mount = vault.login("jwt")
    vault.request("POST", f"auth/{mount}/config", {"jwt_validation_pubkeys": [PUBLIC_KEY], "bound_issuer": ISSUER})
    bound = {"bound_audiences": ["vault"], "bound_subject": "system:serviceaccount:payments:keyferry"}
    more = {"role_type": "jwt", "user_claim": "sub", "token_policies": [policy], "token_ttl": "10m"}
    vault.request("POST", f"auth/{mount}/role/payments", {**bound, **more, **role})
    return {"method": "JWT", "mount": mount, "role": "payments", "serviceAccountRef": {"name": "keyferry"}}


def kubernetes_login(vault: VaultServer, policy: str, api_server: str) -> dict[str, Any]:
    """A role for the ServiceAccount payments/keyferry, whose tokens Vault has the API server review."""
    mount = vault.login("kubernetes")
    config = {"kubernetes_host": api_server, "disable_local_ca_jwt": True, "token_reviewer_jwt": "vault's own"}
    config["kubernetes_ca_cert"] = vault.ca.read_text()  # OpenBao wants one, though nobody needs it here
    vault.request("POST", f"auth/{mount}/config", config)
    bound = {"bound_service_account_names": ["keyferry"], "bound_service_account_namespaces": ["payments"]}
    more = {"audience": "vault", "token_policies": [policy], "token_ttl": "10m"}
    vault.request("POST", f"auth/{mount}/role/payments", {**bound, **more})
    return {"method": "Kubernetes", "mount": mount, "role": "payments", "serviceAccountRef": {"name": "keyferry"}}


def token_of(account: ServiceAccountRef, audience: str, **claims: Any) -> str:
    """A ServiceAccount's token as an API server signs it, with what Vault looks for in it."""
    named = {"namespace": "payments", "serviceaccount": {"name": account.name, "uid": "u-1"}}
    return signed(account, audience, **{"kubernetes.io": named, "iat": time.time(), **claims})


def with_tokens(vault: VaultServer, token: Callable[..., str] = token_of) -> SeededCluster:
    """A cluster that hands out ServiceAccounts' tokens."""
    cluster = holding(vault)
    cluster.token_for = token
    return cluster


async def reads(backend: VaultBackend, vault: VaultProxy, mount: str) -> bool:
    """Whether a value can be read."""
    vault.vault.request("POST", f"{mount}/data/db", {"data": {"password": "v"}})
    return isinstance((await backend.fetch([Ref("db")]))[Ref("db")], Value)


def write(vault: VaultProxy, mount: str, name: str = DB.id, **content: Any) -> None:
    vault.vault.request("POST", f"{mount}/data/{quote(name)}", {"data": content})


async def one(backend: VaultBackend, ref: Ref = DB) -> Fetched:
    return (await backend.fetch([ref]))[ref]


async def listed(backend: VaultBackend, scope: Scope | None = None) -> dict[str, Entry]:
    return {entry.name: entry async for entry in backend.entries(scope or Scope())}
