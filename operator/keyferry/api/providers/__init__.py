"""What a store says about its backend: a module a provider, and in `references` what they share."""

from collections.abc import Iterable
from typing import Any, get_args

from pydantic import ConfigDict, Field

from keyferry.api.model import Model, given, rule, rules
from keyferry.api.providers.aws import Aws
from keyferry.api.providers.azure import Azure
from keyferry.api.providers.elasticsearch import Elasticsearch
from keyferry.api.providers.gcp import Gcp
from keyferry.api.providers.hcp import Hcp
from keyferry.api.providers.infisical import Infisical
from keyferry.api.providers.kubernetes import Kubernetes
from keyferry.api.providers.sql import Sql
from keyferry.api.providers.vault import Vault


def _exactly_one(schema: dict[str, Any]) -> None:
    names = list(schema["properties"])
    schema.update(rules(rule(f"{given(*names)} == 1", _asked(names))))


def _asked(names: Iterable[str]) -> str:
    *others, last = names
    return f"give exactly one provider: {', '.join(others)} or {last}"


class Provider(Model):
    """The backend: exactly one. What makes a provider known is its field here; its backend is the package so named."""

    model_config = ConfigDict(json_schema_extra=_exactly_one)

    aws: Aws | None = Field(None, description="AWS Secrets Manager.")
    azure: Azure | None = Field(None, description="Azure Key Vault.")
    elasticsearch: Elasticsearch | None = Field(None, description="An index with encrypted values.")
    gcp: Gcp | None = Field(None, description="Google Secret Manager.")
    hcp: Hcp | None = Field(None, description="HCP Vault Secrets, a service that ended on 1 July 2026.")
    infisical: Infisical | None = Field(None, description="Infisical.")
    kubernetes: Kubernetes | None = Field(None, description="Secrets of another namespace, or of another cluster.")
    sql: Sql | None = Field(
        None, description="A SQL table with encrypted values: SQLite, PostgreSQL, MySQL, MariaDB, H2."
    )
    vault: Vault | None = Field(None, description="HashiCorp Vault or OpenBao: a KV secrets engine.")

    @property
    def separator(self) -> str:
        """What joins the parts of a path where the store does not say it: one that names can hold."""
        separator: str = getattr(self.chosen, "separator", "/")
        return separator

    @property
    def name(self) -> str:
        """Which one is given. Raises ValueError where none is, or several are."""
        named = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(named) != 1:
            raise ValueError(_asked(type(self).model_fields))
        return named[0]

    @property
    def chosen(self) -> Any:
        """The one that is given. Raises ValueError where none is, or several are."""
        return getattr(self, self.name)

    @property
    def proxied(self) -> bool:
        """Whether all that its backend asks can go through an HTTP proxy."""
        return self.name not in UNPROXIED

    @property
    def tagged(self) -> bool:
        """Whether its catalogue lists tags, so that a shared store maps by them unless it says otherwise."""
        tagged: bool = self.chosen.tagged
        return tagged


UNPROXIED = tuple(
    name for name, each in Provider.model_fields.items() if not getattr(get_args(each.annotation)[0], "proxied", False)
)
