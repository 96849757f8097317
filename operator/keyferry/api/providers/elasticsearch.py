"""What a store says about Elasticsearch."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from keyferry.api.model import WHOLE, Model, ReferredKey, given, rule, rules
from keyferry.api.providers.references import CaProvider, SecretKeyRef

INDEX = "keyferry-secrets"
# No date math, no pattern, no list of several: of nothing that means something else in a URL or a query.
Index = Annotated[str, Field(max_length=128, pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
FieldName = Annotated[str, Field(max_length=64)]
FIELDS = ("name", "version", "tags", "value", "meta")
Address = Annotated[str, Field(max_length=512, pattern=r"^https?://[-A-Za-z0-9._:\[\]]+/?$")]


class ElasticsearchMethod(StrEnum):
    """The ways to log in."""

    BASIC = "Basic"
    API_KEY = "ApiKey"


class ElasticsearchAuth(Model):
    """How to log in to Elasticsearch."""

    model_config = ConfigDict(
        json_schema_extra=WHOLE
        | rules(
            rule(
                f"{given('username', 'usernameKey')} == (self.method == 'Basic' ? 1 : 0)",
                "give username or usernameKey with Basic, and neither with ApiKey",
            )
        )
    )

    method: ElasticsearchMethod = Field(description="Basic: a user's name and password. ApiKey.")
    secret_ref: SecretKeyRef = Field(description="Where the password or API key is.")
    username: Annotated[str, Field(max_length=256, pattern="^[^:]+$")] | None = Field(
        None, description="The user's name."
    )
    username_key: ReferredKey | None = Field(None, description="The key in the same Secret that holds it.")


class ElasticsearchEncryption(Model):
    """How values are encrypted in the index."""

    model_config = ConfigDict(json_schema_extra=WHOLE)

    key_secret_ref: SecretKeyRef = Field(
        description="Where the key is: any text of at least 32 characters. Whoever loses it loses the values."
    )


class Elasticsearch(Model):
    """An index with a document a secret, whose values are encrypted."""

    tagged: ClassVar[bool] = True  # tags come with the list
    proxied: ClassVar[bool] = True

    model_config = ConfigDict(
        json_schema_extra=rules(rule(f"{given('addresses', 'cloudId')} == 1", "give addresses or cloudId, not both"))
    )

    addresses: Annotated[list[Address], Field(max_length=16)] | None = Field(
        None, description="One or several nodes, such as https://es.example:9200, of those that the operator allows."
    )
    cloud_id: Annotated[str, Field(max_length=1024)] | None = Field(
        None, description="The Cloud ID of a deployment, instead of addresses."
    )
    ca_provider: CaProvider | None = Field(None, description="The only certificates to trust.")
    index: Index = Field(INDEX, description=f"The index, or an alias of one. Default: {INDEX}.")
    field_names: Annotated[dict[str, FieldName], Field(max_length=len(FIELDS))] = Field(
        default_factory=dict, alias="fields", description=f"Other names for the fields {', '.join(FIELDS)}."
    )
    encryption: ElasticsearchEncryption = Field(description="The key that encrypts the values.")
    auth: ElasticsearchAuth = Field(description="How to log in.")
