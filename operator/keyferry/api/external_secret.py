"""ExternalSecret: which external secrets make up one Kubernetes Secret, and how fresh it must be."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from keyferry.api.conditions import UNSEEN, Condition
from keyferry.api.model import WHOLE, Duration, Form, Model, Name, SecretDataKey, keyed, rule, rules
from keyferry.settings import MANAGED_BY
from keyferry.values import Lookup, Search

# A rule that only compiles the expression: the API server's CEL uses RE2, as Keyferry does.
# The list only makes a truth of whatever comes out; `… || true` would not do, for CEL forgives an error beside a true.
_IS_REGEXP = rule("[''.matches(self)].size() == 1", "write a regular expression in RE2 syntax, such as ^api-")

RemoteKey = Annotated[str, Field(min_length=1, max_length=1024)]


class StoreKind(StrEnum):
    """The two kinds of store."""

    SECRET_STORE = "SecretStore"  # noqa: S105 - a kind, no password
    CLUSTER_SECRET_STORE = "ClusterSecretStore"  # noqa: S105 - a kind, no password


class SecretStoreRef(Model):
    """The store to read from."""

    model_config = ConfigDict(json_schema_extra=WHOLE)

    kind: StoreKind = Field(
        StoreKind.SECRET_STORE,
        description="SecretStore (of this namespace) or ClusterSecretStore. Default: SecretStore.",
    )
    name: Name = Field(description="The store's name.")


class RefreshPolicy(StrEnum):
    """When the backend is asked."""

    PERIODIC = "Periodic"
    ON_CHANGE = "OnChange"
    CREATED_ONCE = "CreatedOnce"


class CreationPolicy(StrEnum):
    """What Keyferry is to the target Secret."""

    OWNER = "Owner"
    ORPHAN = "Orphan"
    MERGE = "Merge"
    NONE = "None"


class DeletionPolicy(StrEnum):
    """What becomes of the target when the external secret is gone."""

    RETAIN = "Retain"
    DELETE = "Delete"
    MERGE = "Merge"


class Decoding(StrEnum):
    """How the value is encoded in the backend."""

    NONE = "None"
    BASE64 = "Base64"
    BASE64URL = "Base64URL"
    AUTO = "Auto"


class Conversion(StrEnum):
    """What to do with a key that a Secret cannot have."""

    ERROR = "Error"
    UNDERSCORE = "Underscore"


MetadataKey = Annotated[
    str,
    Form(
        r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
        "write keys as Kubernetes has them, such as team or example.com/team",
    ),
    Form(r"^keyferry\.dev/.*$", "keys that begin with keyferry.dev/ are Keyferry's own: choose another", wanted=False),
]
LabelValue = Annotated[
    str,
    Field(max_length=63),
    Form(
        r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
        "write a label's value: letters, digits, -, _ and ., with a letter or digit at both ends, or nothing",
    ),
]
# Kubernetes itself fills Secrets of these types with rights, or reads rights out of them.
SecretType = Annotated[
    str,
    Field(min_length=1, max_length=253),
    Form(
        r"^(kubernetes\.io/service-account-token|bootstrap\.kubernetes\.io/token)$",
        "Keyferry makes no Secrets of this type, for Kubernetes grants rights by them: choose another, such as Opaque",
        wanted=False,
    ),
]


class Target(Model):
    """The Kubernetes Secret that is written."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!(has(self.deletionPolicy) && self.deletionPolicy == 'Delete' && has(self.creationPolicy) && "
                "self.creationPolicy in ['Merge', 'None'])",
                "deletionPolicy: Delete would delete a Secret that Keyferry did not create: with creationPolicy: Merge "
                "or None write deletionPolicy: Merge or Retain",
            ),
            rule(
                "!(has(self.creationPolicy) && self.creationPolicy == 'Merge' && "
                "(has(self.type) || (has(self.immutable) && self.immutable)))",
                "with creationPolicy: Merge the Secret keeps its own type and stays mutable: leave type and immutable "
                "out",
            ),
            rule(
                "!(has(self.immutable) && self.immutable && has(self.deletionPolicy) && "
                "self.deletionPolicy == 'Merge')",
                "no key can be dropped from an immutable Secret: with immutable: true write deletionPolicy: Retain or "
                "Delete",
            ),
            rule(
                f"!(has(self.labels) && '{MANAGED_BY}' in self.labels) || "
                "(has(self.creationPolicy) && self.creationPolicy == 'Merge')",
                f"a Secret that Keyferry makes is labelled {MANAGED_BY}: keyferry: leave that label out, or write your "
                "own under another key, such as app.kubernetes.io/part-of",
            ),
        )
    )

    name: Name | None = Field(None, description="The Secret's name. Default: the ExternalSecret's.")
    creation_policy: CreationPolicy = Field(
        CreationPolicy.OWNER,
        description="Owner: created, owned and deleted with the ExternalSecret. Orphan: created, and kept when the "
        "ExternalSecret goes. Merge: keys are merged into a Secret that exists. None: nothing is written. "
        "Default: Owner.",
    )
    deletion_policy: DeletionPolicy = Field(
        DeletionPolicy.RETAIN,
        description="When the external secret is gone. Retain: keep the last good value. Delete: delete the Secret "
        "when nothing of it is left. Merge: drop only the keys that are gone. Default: Retain.",
    )
    type: SecretType | None = Field(None, description="The Secret's type, such as kubernetes.io/tls. Default: Opaque.")
    labels: dict[MetadataKey, LabelValue] = Field(
        default_factory=dict, description="Labels of the Secret.", max_length=64
    )
    annotations: dict[MetadataKey, Annotated[str, Field(max_length=65536)]] = Field(
        default_factory=dict, description="Annotations of the Secret.", max_length=64
    )
    immutable: bool = Field(
        default=False,
        description="Whether the Secret is immutable. To renew it, delete it: it is then made anew. Default: false.",
    )


class RemoteRef(Model):
    """A value in the store."""

    @property
    def request(self) -> Lookup:
        """What the store is asked for."""
        return Lookup(self.key, self.version or "")

    key: RemoteKey = Field(description="The key, which the store's mapping turns into one external secret.")
    property: str | None = Field(
        None,
        description="Which part of a JSON value: a key, or a path such as db.users.0.name. A dot inside a key is "
        "written \\. and a key that reads just like the path is taken first. Default: the whole value.",
        min_length=1,
        max_length=1024,
    )
    version: str | None = Field(
        None,
        description="A version as the backend names it (AWS: a stage such as AWSPREVIOUS, or a version ID). "
        "Default: the current one.",
        min_length=1,
        max_length=256,
    )
    decoding: Decoding = Field(
        Decoding.NONE,
        description="How the value is encoded. Auto decodes what is Base64 and takes the rest as it is. Default: None.",
    )


class Data(Model):
    """Each entry is one key: where its value is, and what to do where there is none."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!(has(self.default) && has(self.optional) && self.optional)",
                "give either optional: true (leave the key out) or default (write this instead), not both",
            )
        )
    )

    secret_key: SecretDataKey = Field(description="The key in the Secret.")
    remote_ref: RemoteRef = Field(description="Where the value is.")
    optional: bool = Field(
        default=False, description="Leave the key out where the external secret or property is missing. Default: false."
    )
    default: str | None = Field(
        None,
        description="What to write where the external secret or property is missing. Not for secrets: it stands here "
        "in the open.",
        max_length=65536,
    )


class FindName(Model):
    """External secrets by their key."""

    regexp: Annotated[str, Field(min_length=1, max_length=256, json_schema_extra=rules(_IS_REGEXP))] = Field(
        description="A regular expression (RE2) that some part of the key must match; ^ and $ anchor it."
    )


class Find(Model):
    """Every external secret that the mapping shows this namespace and that meets all of this."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("has(self.name) || has(self.tags) || has(self.path)", "give at least one of name, tags and path")
        )
    )

    name: FindName | None = Field(None, description="Those whose key matches.")
    tags: dict[str, Annotated[str, Field(max_length=256)]] | None = Field(
        None, description="Those that have all of these tags.", min_length=1, max_length=50
    )
    path: str | None = Field(
        None, description="Those whose key begins so: app finds app/db, not apple.", min_length=1, max_length=1024
    )
    decoding: Decoding = Field(Decoding.NONE, description="How the values are encoded. Default: None.")

    @property
    def request(self) -> Search:
        """What the store is asked for."""
        regexp = self.name.regexp if self.name else ""
        return Search(regexp, self.path or "", tuple(sorted((self.tags or {}).items())))


class Extract(RemoteRef):
    """Every key of a JSON object."""


class DataFrom(Model):
    """Each entry gives several keys. Later entries win over earlier ones, and data over all of them."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("has(self.extract) != has(self.find)", "give either extract or find in each entry of dataFrom")
        )
    )

    extract: Extract | None = Field(None, description="Every key of the JSON object that one external secret holds.")
    find: Find | None = Field(None, description="Every external secret that matches, each under its key.")
    conversion_strategy: Conversion = Field(
        Conversion.ERROR,
        description="What to do with a key that a Secret cannot have. Error: nothing is written. Underscore: every "
        "character that is not allowed becomes _. Default: Error.",
    )


class ExternalSecretSpec(Model):
    """Which external secrets make up one Kubernetes Secret, and how fresh it must be."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "(has(self.data) && size(self.data) > 0) || (has(self.dataFrom) && size(self.dataFrom) > 0)",
                "give at least one entry in data or dataFrom",
            ),
        )
    )

    secret_store_ref: SecretStoreRef = Field(description="The store to read from.")
    refresh_interval: Duration = Field(
        timedelta(minutes=1),
        description='How old a copy may grow, such as 30s, 5m or 1h30m. The text "0": read once, then again only when '
        "something here changes. Default: 1m.",
    )
    refresh_policy: RefreshPolicy = Field(
        RefreshPolicy.PERIODIC,
        description="Periodic: at every interval. OnChange: only when something here changes. CreatedOnce: until the "
        "Secret is there, then never again. Default: Periodic.",
    )
    suspend: bool = Field(
        default=False, description="While true, nothing is read and the Secret stays as it is. Default: false."
    )
    target: Target = Field(default_factory=Target, description="The Secret that is written.")
    data: tuple[Data, ...] = Field(
        (), description="The keys of the Secret, one by one.", max_length=256, json_schema_extra=keyed("secretKey")
    )
    data_from: tuple[DataFrom, ...] = Field((), description="Keys of the Secret, many at once.", max_length=64)

    @property
    def requests(self) -> tuple[Lookup | Search, ...]:
        """Everything that the store is asked for, each once."""
        many = [part.request for source in self.data_from for part in (source.extract, source.find) if part]
        return tuple(dict.fromkeys([*many, *(item.remote_ref.request for item in self.data)]))


class Source(Model):
    """Each entry is an external secret that was read."""

    key: str = Field(description="The key that was asked for.")
    id: str = Field("", description="The backend's own name of the external secret.")
    version: str = Field("", description="The version that the Secret holds. Empty: it is missing there.")


class TargetStatus(Model):
    """The Secret as Keyferry left it."""

    name: str = Field(description="The Secret's name.")
    resource_version: str = Field("", description="The Secret's resourceVersion when Keyferry last saw to it.")


class ExternalSecretStatus(Model):
    """What was done, and what came of it."""

    observed_generation: int = Field(
        UNSEEN, description="The generation that this status belongs to; -1 before anybody has looked."
    )
    synced_generation: int = Field(0, description="The generation that the Secret was last made for.")
    conditions: tuple[Condition, ...] = Field(
        (), description="Ready, and Reconciling or Stalled while it is not.", json_schema_extra=keyed("type")
    )
    partial: bool | None = Field(
        None, description="True where missing keys were dropped from the Secret, as deletionPolicy: Merge says."
    )
    sources: tuple[Source, ...] = Field((), description="What the Secret was made of; of many, only a digest is kept.")
    sources_digest: str | None = Field(
        None, description="A digest of the keys and versions, where there are too many to list."
    )
    source_revision: str | None = Field(
        None, description="A digest of what the store's address and mapping were when the Secret was made."
    )
    target: TargetStatus | None = Field(None, description="The Secret as it was left.")
    refresh: str | None = Field(None, description="The keyferry.dev/refresh annotation that was last obeyed.")
