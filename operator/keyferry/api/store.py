"""SecretStore and ClusterSecretStore: a backend, how to log in, and which namespace sees what of it."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from keyferry.api.conditions import UNSEEN, Condition
from keyferry.api.model import WHOLE, Form, Model, PositiveDuration, ShortDuration, keyed, rule, rules
from keyferry.api.providers import UNPROXIED, Provider
from keyferry.api.providers.references import BasicAuthRef, SecretKeyRef


class By(StrEnum):
    """How a key of a namespace finds its external secret."""

    NAMES = "Names"
    PATHS = "Paths"
    TAGS = "Tags"


TagKey = Annotated[str, Field(min_length=1, max_length=128)]


class MappingTags(Model):
    """Which tags say whose an external secret is."""

    namespace: TagKey = Field("namespace", description="The tag that names the namespace. Default: namespace.")
    key: TagKey = Field("key", description="The tag that names the key. Default: key.")
    prefix: TagKey = Field("prefix", description="The tag that names the prefix, where one is set. Default: prefix.")


class Separator(StrEnum):
    """What stands between the parts of a path. None of them can be part of a namespace's name."""

    SLASH = "/"
    UNDERSCORE = "_"
    PLUS = "+"
    EQUALS = "="
    AT = "@"


class Mapping(Model):
    """Which external secret answers for a key of a namespace. A store answers with at most one."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.tags) || (has(self.by) && self.by == 'Tags')",
                "mapping.tags goes with by: Tags: write that too, or leave tags out",
            ),
            rule(
                "!has(self.separator) || (has(self.by) && self.by == 'Paths')",
                "mapping.separator goes with by: Paths: write that too, or leave separator out",
            ),
            rule(
                "!(has(self.by) && self.by == 'Names' && has(self.inherit) && self.inherit)",
                "mapping.inherit goes with by: Paths or by: Tags: with by: Names leave it out",
            ),
        )
    )

    by: By | None = Field(
        None,
        description="Names: prefix + key. Paths: prefix, namespace and key, joined by the separator. Tags: tagged with "
        "prefix, namespace and key, whatever its own name. Default: Names for a SecretStore; for a "
        "ClusterSecretStore Tags where the backend lists them (not vault), else Paths.",
    )
    tags: MappingTags | None = Field(None, description="By Tags: which tag says what.")
    separator: Separator | None = Field(
        None,
        description=f"By Paths: what stands between the parts, one of {' '.join(Separator)}. Default: /, for gcp _.",
    )
    inherit: bool = Field(
        default=True,
        description="By Paths or Tags: a namespace acme.payments also sees what belongs to acme; the nearest wins. "
        "Default: true.",
    )


Pattern = Annotated[
    str,
    Field(min_length=1, max_length=253),
    Form(r"^[-a-z0-9*?.]+$", "write a namespace's name; * and ? are wildcards, as in team-*"),
]


class LabelRequirement(Model):
    """One requirement on labels, as in any Kubernetes selector."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
                "give values with In and NotIn, and none with Exists and DoesNotExist",
            )
        )
    )

    key: str = Field(description="The label's key.", max_length=317)
    operator: "LabelOperator" = Field(description="In, NotIn, Exists or DoesNotExist.")
    values: tuple[Annotated[str, Field(max_length=63)], ...] = Field(
        (), description="The values for In and NotIn.", max_length=64
    )


class LabelOperator(StrEnum):
    """As in any Kubernetes selector."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelSelector(Model):
    """Namespaces by their labels; all of it must match."""

    model_config = ConfigDict(json_schema_extra=WHOLE)

    match_labels: dict[str, Annotated[str, Field(max_length=63)]] = Field(
        default_factory=dict, description="Labels and the values that they must have.", max_length=32
    )
    match_expressions: tuple[LabelRequirement, ...] = Field(
        (), description="Further requirements on labels.", max_length=32
    )


class Namespaces(Model):
    """Who may use a ClusterSecretStore: the namespaces that match a name or the selector."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "(has(self.names) && size(self.names) > 0) || has(self.selector)",
                'give names, a selector or both; names: ["*"] admits every namespace',
            )
        )
    )

    names: tuple[Pattern, ...] = Field(
        (), description='Namespaces by name; * and ? are wildcards, as in "team-*".', max_length=256
    )
    selector: LabelSelector | None = Field(None, description="Namespaces by their labels.")


class Refresh(Model):
    """The store's budget: how hard its backend may be asked."""

    timeout: ShortDuration = Field(
        timedelta(seconds=10), description="How long one call may take, 1m at most. Default: 10s."
    )
    calls_per_second: int = Field(20, description="How many calls in a second, at most. Default: 20.", ge=1, le=10000)
    concurrency: int = Field(8, description="How many calls at once, at most. Default: 8.", ge=1, le=32)


class Cache(Model):
    """Values kept in memory for those who ask soon after one another."""

    enabled: bool = Field(default=True, description="Whether values are kept at all. Default: true.")
    maximum_size: int = Field(10000, description="How many values are kept at most. Default: 10000.", ge=1, le=1000000)
    expire_after_write: PositiveDuration = Field(
        timedelta(seconds=60), description="How long a value is kept. Default: 60s."
    )


class Webhook(Model):
    """Who may hint from outside that something changed."""

    secret_ref: SecretKeyRef = Field(
        description="Where the key is that callers sign with: at least 32 characters on a line; more lines are more "
        "keys, for the time of a rotation."
    )


class StoreProxy(Model):
    """An HTTP proxy on the way to the backend."""

    url: Annotated[
        str,
        Field(max_length=2048),
        Form(r"^http://[-A-Za-z0-9._:\[\]]+/?$", "write http://proxy:3128; a login goes into secretRef"),
    ] = Field(description="Its http://host:port.")
    secret_ref: BasicAuthRef | None = Field(None, description="A Secret with username and password.")


class SecretStoreSpec(Model):
    """A backend, how to log in, and which namespace sees what of it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.mapping) || has(self.mapping.by) || !has(self.mapping.inherit) || !self.mapping.inherit",
                "mapping.inherit goes with by: Paths or by: Tags, and a SecretStore maps by Names unless it says so: "
                "write by too, or leave inherit out",
            ),
            rule(
                "!has(self.provider.kubernetes) || !has(self.mapping) || !has(self.mapping.by) || "
                "self.mapping.by != 'Paths'",
                "no separator can be in a Secret's name: map kubernetes by Names or Tags",
            ),
            rule(
                f"!has(self.proxy) || ({' && '.join(f'!has(self.provider.{name})' for name in UNPROXIED)})",
                "leave proxy out: this provider uses none",
            ),
        )
    )

    provider: Provider = Field(description="The backend and how to log in: exactly one provider.")
    prefix: str = Field(
        "",
        description="This installation's part of a shared backend. By Names it is put before the key as it is; "
        "by Paths it is the first part; by Tags it is what the prefix tag says.",
        max_length=256,
    )
    mapping: Mapping = Field(
        default_factory=Mapping, description="Which external secret answers for a key of a namespace."
    )
    proxy: StoreProxy | None = Field(
        None, description="The HTTP proxy of all this store's connections. Default: the operator's."
    )
    refresh: Refresh = Field(default_factory=Refresh, description="How hard the backend may be asked.")
    cache: Cache = Field(default_factory=Cache, description="Values kept in memory for a short time.")
    webhook: Webhook | None = Field(
        None,
        description="Let others say that something changed, so that it arrives at once: POST "
        "/hooks/NAMESPACE/NAME (for a ClusterSecretStore /hooks/NAME) at the operator's webhook, signed.",
    )
    default_tags: dict[str, Annotated[str, Field(max_length=256)]] = Field(
        default_factory=dict,
        description="Tags given to every external secret that Keyferry creates or updates in this store, where it can "
        "write to the provider.",
        max_length=40,
    )
    suspend: bool = Field(
        default=False, description="While true, the backend is not asked and Secrets stay as they are. Default: false."
    )


class ClusterSecretStoreSpec(SecretStoreSpec):
    """A backend that several namespaces share."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.mapping) || !has(self.mapping.by) || self.mapping.by != 'Names' || has(self.namespaces)",
                "by Names every namespace would see every secret: say in spec.namespaces who may use the store, "
                "or map by Tags or Paths",
            ),
        )
    )

    namespaces: Namespaces | None = Field(
        None,
        description="Who may use the store: namespaces that match a name or the selector. Default: all, which "
        "mapping by Names does not allow.",
    )


class Granted(StrEnum):
    """Whether a permission is there, as far as it has been tried."""

    YES = "Granted"
    NO = "Denied"
    UNTRIED = "Untried"


class StoreAccess(Model):
    """What the store's login may do."""

    login: Granted = Field(Granted.UNTRIED, description="Whether the backend accepts the login.")
    listing: Granted = Field(Granted.UNTRIED, description="Whether the catalogue can be listed.")
    batching: Granted = Field(
        Granted.UNTRIED, description="Whether several values come with one call; Untried where no call does that."
    )
    reading: Granted = Field(
        Granted.UNTRIED, description="Whether values can be read: Denied while none of those asked for ever could be."
    )


class StoreStatus(Model):
    """What Keyferry found out about the store."""

    observed_generation: int = Field(
        UNSEEN, description="The generation that this status belongs to; -1 before anybody has looked."
    )
    conditions: tuple[Condition, ...] = Field(
        (), description="Ready, and Reconciling or Stalled while it is not.", json_schema_extra=keyed("type")
    )
    provider: str | None = Field(None, description="Which provider the spec names.")
    access: StoreAccess = Field(default_factory=StoreAccess, description="What the login may do.")
    lacking: tuple[str, ...] = Field((), description="Permissions that are missing, and what that costs.")
    offered: int | None = Field(
        None, description="How many external secrets the mapping offers to all namespaces together."
    )
    last_sweep_time: str | None = Field(
        None,
        description="When the catalogue was last swept, to within ten minutes; the metric "
        "keyferry_store_last_sweep_timestamp_seconds has the exact time.",
    )
    refresh: str | None = Field(None, description="The keyferry.dev/refresh annotation that was last obeyed.")
