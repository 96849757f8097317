"""What a store says about Infisical."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from keyferry.api.model import Model, ReferredKey, given, rule, rules
from keyferry.api.providers.references import CaProvider, Endpoint, SecretKeyRef, ServiceAccountRef

SITE = "https://app.infisical.com"
# What Infisical lets projects, environments and folders be called; of nothing that means something else in a URL.
Slug = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9_-]+$")]


class InfisicalMethod(StrEnum):
    """The ways to log in."""

    UNIVERSAL_AUTH = "UniversalAuth"
    KUBERNETES = "Kubernetes"
    SERVICE_TOKEN = "ServiceToken"  # noqa: S105 - the method's name


class InfisicalAuth(Model):
    """How to log in to Infisical."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.method == 'Kubernetes' ? has(self.identityId) && has(self.serviceAccountRef) && "
                "!has(self.secretRef) : has(self.secretRef) && "
                f"{given('identityId', 'serviceAccountRef', 'audience')} == 0",
                "give identityId and serviceAccountRef with Kubernetes, and secretRef with the others",
            )
        )
    )

    method: InfisicalMethod = Field(
        description="UniversalAuth: a machine identity's client ID and secret. Kubernetes: a ServiceAccount's token, "
        "which Infisical has the API server review. ServiceToken."
    )
    secret_ref: SecretKeyRef | None = Field(None, description="Where the client secret or service token is.")
    client_id_key: ReferredKey | None = Field(
        None, description="The key in the same Secret that holds the client ID. Default: clientId."
    )
    identity_id: Slug | None = Field(None, description="The machine identity's ID.")
    service_account_ref: ServiceAccountRef | None = Field(None, description="The ServiceAccount whose token is sent.")
    # No URL, as the API server's own audiences are: with such a token, whoever is at the other end could use the
    # Kubernetes API as that ServiceAccount.
    audience: Slug | None = Field(
        None, description="The token's audience, which the identity must allow. Default: infisical."
    )


class Infisical(Model):
    """A folder of an environment of a project."""

    tagged: ClassVar[bool] = True  # metadata comes with the list of a folder
    proxied: ClassVar[bool] = True

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.auth.method == 'ServiceToken' || (has(self.project) && has(self.environment))",
                "give project and environment: only a ServiceToken says them itself",
            ),
            rule(
                "!(has(self.imports) && self.imports) || (has(self.recursive) && !self.recursive)",
                "imports needs recursive: false: which of several folders imports is not told",
            ),
        )
    )

    site_url: Endpoint = Field(
        SITE,
        description=f"Infisical's address. Default: {SITE}. A SecretStore may use Infisical's own and those that the "
        "operator allows.",
    )
    project: Slug | None = Field(None, description="The project's ID or slug.")
    environment: Slug | None = Field(None, description="The environment's slug, such as prod.")
    path: Annotated[str, Field(max_length=512, pattern=r"^(/[A-Za-z0-9_-]+)*/?$")] | None = Field(
        None, description="The folder, such as /apps. Default: /, or the service token's."
    )
    recursive: bool = Field(default=True, description="Whether folders below it belong to it. Default: true.")
    imports: bool = Field(
        default=False,
        description="Whether what the folder imports belongs to it. Default: false.",
    )
    ca_provider: CaProvider | None = Field(None, description="The only certificates to trust.")
    auth: InfisicalAuth = Field(description="How to log in.")
