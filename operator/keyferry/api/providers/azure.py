"""Azure Key Vault, and how to log in there. Words are those of External Secrets Operator where they mean the same."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from keyferry.api.model import Model, ReferredKey, given, rule, rules
from keyferry.api.providers.references import CaProvider, SecretKeyRef, ServiceAccountRef

# What identifies something in Entra: text that may be put into an address as it is.
Identity = Annotated[str, Field(max_length=253, pattern=r"^[-A-Za-z0-9.]+$")]
_HTTPS = r"https://[-A-Za-z0-9._:\[\]]+/?"
_LOGINS = ("clientSecretRef", "clientCertificateRef", "serviceAccountRef", "managedIdentity")
ONE_LOGIN = f"give exactly one of {', '.join(_LOGINS[:-1])} and {_LOGINS[-1]}, or no auth at all"
APPLICATION = "give tenantId and clientId, too"


class AzureEnvironment(StrEnum):
    """The clouds of Azure."""

    PUBLIC = "PublicCloud"
    US_GOVERNMENT = "USGovernmentCloud"
    CHINA = "ChinaCloud"


class AzureManagedIdentity(Model):
    """A managed identity of the operator's own. A ClusterSecretStore's only, unless the operator allows more."""


class AzureAuth(Model):
    """One login: as an application, as whom a ServiceAccount may act, or as a managed identity of the operator's."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(f"{given(*_LOGINS)} == 1", ONE_LOGIN),
            rule(
                "has(self.managedIdentity) || has(self.tenantId) && has(self.clientId)",
                APPLICATION,
            ),
        )
    )

    tenant_id: Identity | None = Field(None, description="The tenant (directory) ID.")
    client_id: Identity | None = Field(None, description="The client ID of the application or user-assigned identity.")
    client_secret_ref: SecretKeyRef | None = Field(None, description="Where the application's client secret is.")
    client_certificate_ref: SecretKeyRef | None = Field(
        None, description="Where the application's certificate and its RSA key are, as PEM or PFX."
    )
    password_key: ReferredKey | None = Field(
        None, description="The key of the certificate's Secret that holds the password, if it has one."
    )
    service_account_ref: ServiceAccountRef | None = Field(
        None, description="Workload identity: the ServiceAccount whose token Entra trusts."
    )
    managed_identity: AzureManagedIdentity | None = Field(
        None,
        description="The operator's own managed identity: {}. A SecretStore may use it only where that is allowed.",
    )


class Azure(Model):
    """Azure Key Vault."""

    tagged: ClassVar[bool] = True
    proxied: ClassVar[bool] = True

    vault: Annotated[str, Field(max_length=2048, pattern=rf"^([A-Za-z][-A-Za-z0-9]{{2,23}}|{_HTTPS})$")] = Field(
        description="The vault's name, or its address, such as https://acme.vault.azure.net."
    )
    environment_type: AzureEnvironment = Field(AzureEnvironment.PUBLIC, description="The cloud. Default: PublicCloud.")
    auth: AzureAuth | None = Field(
        None, description="How to log in. Default: the SDK's own chain, under the limits of managedIdentity."
    )
    authority_host: Annotated[str, Field(max_length=2048, pattern=f"^{_HTTPS}$")] | None = Field(
        None, description="Another address for Entra, where the operator allows it."
    )
    ca_provider: CaProvider | None = Field(
        None, description="Authorities to trust besides the system's, for private addresses."
    )
