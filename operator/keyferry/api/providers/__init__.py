"""What a store says about its backend: a module a provider, and in `references` what they share."""

from pydantic import ConfigDict, Field

from keyferry.api.model import Model, given, rule, rules
from keyferry.api.providers.aws import Aws
from keyferry.api.providers.gcp import Gcp
from keyferry.api.providers.sql import Sql

PROVIDERS = ("aws", "gcp", "sql")  # the fields of Provider; a backend's module and extra are called the same
_TAGGED = frozenset({"aws", "gcp", "sql"})
_ONE = f"give exactly one provider: {', '.join(PROVIDERS[:-1])} or {PROVIDERS[-1]}"


class Provider(Model):
    """The backend: exactly one."""

    model_config = ConfigDict(json_schema_extra=rules(rule(f"{given(*PROVIDERS)} == 1", _ONE)))

    aws: Aws | None = Field(None, description="AWS Secrets Manager.")
    gcp: Gcp | None = Field(None, description="Google Secret Manager.")
    sql: Sql | None = Field(None, description="A SQL table with encrypted values, kept by the operator (SQLite).")

    @property
    def tagged(self) -> bool:
        """Whether its catalogue lists tags, so that a shared store maps by them unless it says otherwise."""
        return self.name in _TAGGED

    @property
    def separator(self) -> str:
        """What joins the parts of a path where the store does not say it: one that names can hold."""
        return "_" if self.name == "gcp" else "/"

    @property
    def name(self) -> str:
        """Which one is given. Raises ValueError where none is, or several are."""
        named = [name for name in PROVIDERS if getattr(self, name) is not None]
        if len(named) != 1:
            raise ValueError(_ONE)
        return named[0]

    @property
    def chosen(self) -> Model:
        """The one that is given. Raises ValueError where none is, or several are."""
        chosen: Model = getattr(self, self.name)
        return chosen
