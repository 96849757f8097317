"""A store's way to Elasticsearch: the official client, made of what the spec says and the cluster's Secrets hold."""

import base64
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from elastic_transport import NodeConfig, OrjsonSerializer
from elastic_transport.client_utils import parse_cloud_id
from elasticsearch import AsyncElasticsearch

from keyferry.api.providers.elasticsearch import FIELDS, Elasticsearch, ElasticsearchAuth, ElasticsearchMethod
from keyferry.api.providers.references import SecretKeyRef
from keyferry.backends import certificates
from keyferry.backends.address import checked_address
from keyferry.backends.base import Context
from keyferry.backends.cipher import SHORTEST_KEY, key_material
from keyferry.backends.elasticsearch.asking import Asker
from keyferry.backends.elasticsearch.documents import Fields
from keyferry.backends.elasticsearch.errors import About
from keyferry.backends.elasticsearch.index import Index, Key
from keyferry.backends.elasticsearch.node import CONNECTING, ROUTE, Node
from keyferry.backends.route import Route, route_of
from keyferry.errors import CredentialsMissing, SpecInvalid

_WHERE = "spec.provider.elasticsearch"
_PATIENCE = 0.9  # of the store's timeout: so that an error that names the address comes before the budget's


@dataclass(frozen=True, slots=True)
class Login:
    """Who asks: what the client is told, and how error texts call it."""

    name: str
    options: dict[str, Any] = field(repr=False)


async def connect(spec: Elasticsearch, context: Context) -> Index:
    """Check the spec, read the Secrets and certificates, make the client. Nobody is asked yet. Raises SyncError."""
    addresses = _addresses(spec, context)
    names = _fields(spec)
    key = await _key(spec.encryption.key_secret_ref, context)
    ca = await context.cluster.authority(spec.ca_provider) if spec.ca_provider else None
    login = await _login(spec.auth, context)
    route = await route_of(context)
    client = AsyncElasticsearch(
        [_node(address, ca, context, route, len(addresses)) for address in addresses],
        **login.options,
        node_class=Node,
        max_retries=len(addresses) - 1,  # another node is asked where one was not reached, and for no other reason
        retry_on_status=(),
        retry_on_timeout=False,
        meta_header=False,
        serializers={"application/json": OrjsonSerializer()},
    )
    host = ", ".join(urlsplit(address).netloc for address in addresses)
    return Index(names, key, Asker(client, context.call, About("", login.name, host, spec.index)))


def _addresses(spec: Elasticsearch, context: Context) -> list[str]:
    if bool(spec.addresses) == bool(spec.cloud_id):
        raise SpecInvalid(f"{_WHERE}: give addresses or cloudId, not both")
    if spec.cloud_id:
        return [checked_address(f"{_WHERE}.cloudId", _deployment(spec.cloud_id), context.endpoint_allowed)]
    told = dict.fromkeys(address.rstrip("/") for address in spec.addresses or ())
    return [checked_address(f"{_WHERE}.addresses", address, context.endpoint_allowed) for address in told]


def _deployment(cloud_id: str) -> str:
    """The address in a Cloud ID."""
    with suppress(ValueError):
        at = parse_cloud_id(cloud_id.strip()).es_address
        if at and at[0]:
            return f"https://{at[0]}:{at[1]}"
    raise SpecInvalid(f"{_WHERE}.cloudId: this is no Cloud ID: copy it from the deployment's page in Elastic Cloud")


def _fields(spec: Elasticsearch) -> Fields:
    if unknown := sorted(spec.field_names.keys() - set(FIELDS)):
        raise SpecInvalid(f"{_WHERE}.fields.{unknown[0]}: there are only {', '.join(FIELDS)}")
    names = Fields(**spec.field_names)
    chosen = [getattr(names, each) for each in FIELDS]
    if len(set(chosen)) < len(chosen) or not all(each.isidentifier() and each[0] != "_" for each in chosen):
        raise SpecInvalid(f"{_WHERE}.fields: give each another name, of letters, digits and _ with a letter first")
    return names


def _node(address: str, ca: bytes | None, context: Context, route: Route, nodes: int) -> NodeConfig:
    at = urlsplit(address)
    secure, patience = at.scheme == "https", context.timeout * _PATIENCE
    return NodeConfig(
        at.scheme,
        at.hostname or "",
        at.port or (443 if secure else 80),
        headers={"user-agent": "keyferry"},
        connections_per_node=context.concurrency,
        request_timeout=patience,
        _extras={CONNECTING: patience / nodes, ROUTE: route},
        ssl_context=certificates.trusting(ca, f"{_WHERE}.caProvider") if ca is not None and secure else None,
    )


async def _login(auth: ElasticsearchAuth, context: Context) -> Login:
    secret = await context.cluster.secret(auth.secret_ref)
    where = _secret(auth.secret_ref, context)
    if auth.method is ElasticsearchMethod.API_KEY:
        word = secret.decode("ascii", "replace").strip()
        if not word or not all(0x21 <= ord(character) <= 0x7E for character in word):
            raise CredentialsMissing(f"{where}, key {auth.secret_ref.key} holds no API key: one is a word of ASCII")
        return Login(f"the API key in {where}", {"api_key": _coded(word) if ":" in word else word})
    user = await _username(auth, context)
    password = _line(secret)
    if not password:
        raise CredentialsMissing(f"{where}, key {auth.secret_ref.key} holds no password")
    # Encoded here: the client takes ASCII only, and its error would quote the password.
    return Login(f"user {user} with the password in {where}", {"basic_auth": _coded(f"{user}:{password}")})


async def _username(auth: ElasticsearchAuth, context: Context) -> str:
    if bool(auth.username) == bool(auth.username_key):
        raise SpecInvalid(f"{_WHERE}.auth: give username or usernameKey with Basic, and neither with ApiKey")
    if auth.username:
        return auth.username
    ref = auth.secret_ref.model_copy(update={"key": auth.username_key})
    user = _line(await context.cluster.secret(ref))
    if not user or ":" in user or not user.isprintable():
        raise CredentialsMissing(f"{_secret(ref, context)}, key {ref.key} holds no user's name")
    return user


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _line(text: bytes) -> str:
    """A text without the line end that a file has and a manifest has not."""
    return text.decode(errors="replace").rstrip("\r\n")


async def _key(ref: SecretKeyRef, context: Context) -> Key:
    source = f"{_secret(ref, context)}, key {ref.key},"
    material = key_material(await context.cluster.secret(ref))
    if material is None:
        raise CredentialsMissing(
            f"{source} has fewer than {SHORTEST_KEY} characters; write a longer key, such as that of: "
            "openssl rand -base64 48"
        )
    return Key(material, source)


def _secret(ref: SecretKeyRef, context: Context) -> str:
    return f"Secret {ref.namespace or context.store.namespace}/{ref.name}"
