"""The three CustomResourceDefinitions as data: names, columns, and the schemas that the models give. Pure."""

from dataclasses import dataclass
from typing import Any, Literal

from keyferry.api.conditions import UNSEEN
from keyferry.api.external_secret import ExternalSecretSpec, ExternalSecretStatus
from keyferry.api.model import Model, rule, rules
from keyferry.api.providers.references import BasicAuthRef, CaProvider, SecretKeyRef, ServiceAccountRef
from keyferry.api.schema import Amend, Schema, structural
from keyferry.api.store import ClusterSecretStoreSpec, SecretStoreSpec, StoreStatus

GROUP = "keyferry.dev"
VERSION = "v1alpha1"

# What names something in a namespace: in a SecretStore always in its own, in a ClusterSecretStore in one that it says.
REFERENCES = frozenset({each.__name__ for each in (SecretKeyRef, BasicAuthRef, ServiceAccountRef, CaProvider)})


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`."""

    name: str
    path: str
    description: str
    type: Literal["string", "integer", "boolean", "date"] = "string"
    wide: bool = False  # only with `-o wide`

    def as_json(self) -> dict[str, Any]:
        plain = {"name": self.name, "type": self.type, "description": self.description, "jsonPath": self.path}
        return {**plain, "priority": 1} if self.wide else plain


@dataclass(frozen=True, slots=True)
class Kind:
    """All that makes one CustomResourceDefinition."""

    kind: str
    short: str
    scope: Literal["Namespaced", "Cluster"]
    spec: type[Model]
    status: type[Model]
    columns: tuple[Column, ...]
    selectable: tuple[str, ...]  # fields that `kubectl get --field-selector` knows
    rules: tuple[dict[str, str], ...] = ()  # of the resource as a whole: they also see metadata.name
    amend: Amend = lambda _, schema: schema

    @property
    def plural(self) -> str:
        return f"{self.kind.lower()}s"

    def schema(self) -> Schema:
        """The structural schema of the whole resource."""
        return {
            "description": _DESCRIPTIONS[self.kind],
            "type": "object",
            **(rules(*self.rules) if self.rules else {}),
            "required": ["spec"],
            "properties": {
                "spec": structural(self.spec, self.amend),
                # Without it kstatus (Flux, Argo CD) would take what nobody has looked at yet for well and done.
                "status": {**structural(self.status), "default": {"observedGeneration": UNSEEN}},
            },
        }

    def as_json(self) -> dict[str, Any]:
        """The CustomResourceDefinition."""
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{self.plural}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "names": {
                    "kind": self.kind,
                    "listKind": f"{self.kind}List",
                    "plural": self.plural,
                    "singular": self.kind.lower(),
                    "shortNames": [self.short],
                    "categories": ["keyferry"],
                },
                "scope": self.scope,
                "versions": [
                    {
                        "name": VERSION,
                        "served": True,
                        "storage": True,
                        "subresources": {"status": {}},
                        "additionalPrinterColumns": [column.as_json() for column in self.columns],
                        "selectableFields": [{"jsonPath": path} for path in self.selectable],
                        "schema": {"openAPIV3Schema": self.schema()},
                    }
                ],
            },
        }


def _own_namespace(name: str, schema: Schema) -> Schema:
    if name not in REFERENCES:
        return schema
    says = "leave it out: a SecretStore uses its own namespace only"
    refused = {"type": "string", "description": "Leave it out.", **rules(rule("false", says))}
    return {**schema, "properties": {**schema["properties"], "namespace": refused}}


def _named_namespace(name: str, schema: Schema) -> Schema:
    if name not in REFERENCES:
        return schema
    properties = schema["properties"]
    return {
        **schema,
        "required": [*schema["required"], "namespace"],
        "properties": {**properties, "namespace": {**properties["namespace"], "description": "Its namespace."}},
    }


def _ready(field: str) -> str:
    return f'.status.conditions[?(@.type=="Ready")].{field}'


_READY = Column("Ready", _ready("status"), "Whether it does what its spec asks.")
_REASON = Column("Reason", _ready("reason"), "Why, in one word; docs/reference lists them all.")
_SINCE = Column("Since", _ready("lastTransitionTime"), "How long Ready has been what it is.", "date")
_MESSAGE = Column("Message", _ready("message"), "Why, and what to do about it.", wide=True)

_STORE_COLUMNS = (
    Column("Provider", ".status.provider", "Which backend it is."),
    Column("Mapping", ".spec.mapping.by", "What maps a key to an external secret, where the spec says it."),
    _READY,
    _REASON,
    _SINCE,
    Column("Offered", ".status.offered", "How many external secrets the mapping offers.", "integer"),
    Column("Prefix", ".spec.prefix", "This installation's part of the backend.", wide=True),
    Column("Swept", ".status.lastSweepTime", "How long ago the catalogue was swept.", "date", wide=True),
    _MESSAGE,
)

# `kubectl explain` shows these first: what it is, and the least that it says.
_DESCRIPTIONS = {
    "ExternalSecret": """An ExternalSecret says which secrets of a store make up one Kubernetes Secret, and keeps it so.

  spec:
    secretStoreRef: {kind: ClusterSecretStore, name: aws}
    data:
    - secretKey: password
      remoteRef: {key: db, property: password}""",
    "SecretStore": """A SecretStore is a backend that one namespace uses, and how to log in to it.

  spec:
    provider:
      aws:
        region: eu-west-1
        auth:
          accessKey:
            accessKeyIdSecretRef: {name: aws, key: id}
            secretAccessKeySecretRef: {name: aws, key: secret}""",
    "ClusterSecretStore": """A ClusterSecretStore is a backend that namespaces share, each seeing only its own part.

  spec:
    provider:
      aws: {region: eu-west-1}
    mapping: {by: Tags}
    namespaces: {names: ["team-*"]}""",
}

KINDS = (
    Kind(
        kind="ExternalSecret",
        short="kes",
        scope="Namespaced",
        spec=ExternalSecretSpec,
        status=ExternalSecretStatus,
        columns=(
            Column("Store", ".spec.secretStoreRef.name", "The store that it reads from."),
            _READY,
            _REASON,
            _SINCE,
            Column("Kind", ".spec.secretStoreRef.kind", "The store's kind, where the spec says it.", wide=True),
            Column("Target", ".status.target.name", "The Secret that was written.", wide=True),
            _MESSAGE,
        ),
        selectable=(
            ".spec.secretStoreRef.name",
            ".spec.secretStoreRef.kind",
            ".spec.target.name",
            ".spec.suspend",
        ),
        rules=(
            # A field manager has at most 128 characters, and of a Secret that several merge into, each has its own.
            rule(
                "size(self.metadata.name) <= 119 || !has(self.spec.target) || !has(self.spec.target.creationPolicy) || "
                "self.spec.target.creationPolicy != 'Merge'",
                "with creationPolicy: Merge give the ExternalSecret a name of at most 119 characters",
            ),
        ),
    ),
    Kind(
        kind="SecretStore",
        short="kss",
        scope="Namespaced",
        spec=SecretStoreSpec,
        status=StoreStatus,
        columns=_STORE_COLUMNS,
        selectable=(".spec.suspend",),
        amend=_own_namespace,
    ),
    Kind(
        kind="ClusterSecretStore",
        short="kcss",
        scope="Cluster",
        spec=ClusterSecretStoreSpec,
        status=StoreStatus,
        columns=_STORE_COLUMNS,
        selectable=(".spec.suspend",),
        amend=_named_namespace,
    ),
)
