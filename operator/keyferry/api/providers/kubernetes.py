"""What a store says about Secrets of another namespace or cluster."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from keyferry.api.model import Model, ReferredName, rule, rules
from keyferry.api.providers.references import CaProvider, SecretKeyRef, ServiceAccountRef


class KubernetesMethod(StrEnum):
    """Who reads. Never the operator itself."""

    SERVICE_ACCOUNT = "ServiceAccount"
    TOKEN = "Token"  # noqa: S105 - the method's name
    CERTIFICATE = "Certificate"
    KUBECONFIG = "Kubeconfig"


class KubernetesAuth(Model):
    """How to log in to the API server."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.serviceAccountRef) == (self.method == 'ServiceAccount') && "
                "has(self.secretRef) != has(self.serviceAccountRef)",
                "give serviceAccountRef with ServiceAccount, and secretRef with the others",
            )
        )
    )

    method: KubernetesMethod = Field(
        description="ServiceAccount: one of this cluster, reading from it. Token, Certificate, Kubeconfig: in a Secret."
    )
    service_account_ref: ServiceAccountRef | None = Field(None, description="The ServiceAccount that reads.")
    secret_ref: SecretKeyRef | None = Field(None, description="Where the login is.")


class KubernetesServer(Model):
    """The API server of another cluster."""

    url: Annotated[str, Field(max_length=2048, pattern=r"^https://[-A-Za-z0-9._:\[\]]+/?$")] = Field(
        description="Such as https://host:6443. A SecretStore may use what the operator allows."
    )
    ca_provider: CaProvider | None = Field(None, description="The only certificates to trust.")


class Kubernetes(Model):
    """Secrets of another namespace, or of another cluster."""

    tagged: ClassVar[bool] = True
    proxied: ClassVar[bool] = True
    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.server) || self.auth.method in ['Token', 'Certificate']",
                "server goes with Token and Certificate only: ServiceAccount is for this cluster, a kubeconfig names "
                "its own",
            )
        )
    )

    remote_namespace: ReferredName = Field(description="The namespace whose Secrets are read.")
    server: KubernetesServer | None = Field(None, description="Another cluster. Default: this one.")
    auth: KubernetesAuth = Field(description="Who reads.")
