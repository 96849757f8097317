"""Google Secret Manager, and how to log in there. Written briefly: each line of it stands in two CRDs."""

from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from keyferry.api.model import Form, Model, rule, rules
from keyferry.api.providers.references import CaProvider, SecretKeyRef, ServiceAccountRef

# Always TLS: there is no way to say otherwise.
GcpEndpoint = Annotated[str, Field(max_length=255, pattern=r"^https://[-A-Za-z0-9._:\[\]]+/?$")]


class GcpWorkloadIdentity(Model):
    """A ServiceAccount's token, exchanged at Google's STS (workload identity federation)."""

    service_account_ref: ServiceAccountRef = Field(description="Whose token is sent to STS.")
    provider: Annotated[
        str,
        Field(max_length=255),
        Form(
            r"^projects/[0-9]+/locations/global/workloadIdentityPools/[-a-z0-9]+/providers/[-a-z0-9]+$",
            "write projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/NAME",
        ),
    ] = Field(description="The provider that accepts the token, by its full name.")
    impersonate: Annotated[str, Field(max_length=255, pattern=r"^[-a-z0-9.]+@[-a-z0-9.]+$")] | None = Field(
        None, description="A Google service account to act as, by its e-mail."
    )


class GcpAuth(Model):
    """How to log in to Google Cloud. Neither: Application Default Credentials of the operator's pod."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.serviceAccountKeySecretRef) || !has(self.workloadIdentity)",
                "give only one of serviceAccountKeySecretRef and workloadIdentity",
            )
        )
    )

    service_account_key_secret_ref: SecretKeyRef | None = Field(
        None, description="Where the key of a Google service account is: a JSON file."
    )
    workload_identity: GcpWorkloadIdentity | None = Field(
        None, description="A ServiceAccount's token, exchanged at Google's STS."
    )


class Gcp(Model):
    """Google Secret Manager."""

    tagged: ClassVar[bool] = True
    proxied: ClassVar[bool] = True
    separator: ClassVar[str] = "_"  # names cannot hold a slash

    project_id: Annotated[
        str,
        Field(max_length=128),
        Form(r"^[a-z0-9][-a-z0-9.:]*[a-z0-9]$", "write the project's ID, such as acme-prod, or its number"),
    ] = Field(description="The project's ID or number.")
    location: Annotated[str, Field(max_length=63, pattern=r"^[a-z]+-[a-z]+[0-9]+$")] | None = Field(
        None, description="The region of regional secrets, such as europe-west3. Default: global ones."
    )
    auth: GcpAuth | None = Field(None, description="How to log in. Default: as the operator's pod (ADC).")
    ca_provider: CaProvider | None = Field(
        None, description="Whom to trust at the endpoints instead of the well-known authorities."
    )
    endpoint: GcpEndpoint | None = Field(
        None, description="Another address for Secret Manager. A SecretStore may use Google's, and those allowed."
    )
    auth_endpoint: GcpEndpoint | None = Field(
        None, description="Likewise for logging in: STS and the IAM Credentials API."
    )
