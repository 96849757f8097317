"""What several providers refer to: Secrets and ServiceAccounts that log in, certificates, addresses."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from keyferry.api.model import WHOLE, Form, Model, ReferredKey, ReferredName

Endpoint = Annotated[
    str,
    Field(max_length=2048),
    Form(
        r"^https?://[-A-Za-z0-9._:\[\]]+/?$", "write an address such as https://host:8443, without user, path or query"
    ),
]


class SecretKeyRef(Model):
    """One key of a Secret."""

    model_config = ConfigDict(json_schema_extra=WHOLE)

    name: ReferredName = Field(description="Its name.")
    key: ReferredKey = Field(description="Its key.")
    namespace: ReferredName | None = Field(
        None,
        description="The Secret's namespace. Required in a ClusterSecretStore; a SecretStore reads its own "
        "namespace only, and refuses another.",
    )


class BasicAuthRef(Model):
    """A Secret with the keys username and password, as those of type kubernetes.io/basic-auth."""

    model_config = ConfigDict(json_schema_extra=WHOLE)

    name: ReferredName = Field(description="Its name.")
    namespace: ReferredName | None = Field(
        None, description="The Secret's namespace. Required in a ClusterSecretStore; a SecretStore refuses it."
    )


class ServiceAccountRef(Model):
    """A ServiceAccount whose token logs in."""

    model_config = ConfigDict(json_schema_extra=WHOLE)

    name: ReferredName = Field(description="Its name.")
    namespace: ReferredName | None = Field(
        None,
        description="The ServiceAccount's namespace. Required in a ClusterSecretStore; a SecretStore uses its own "
        "namespace only, and refuses another.",
    )


class CaProvider(Model):
    """Certificates of a Secret or ConfigMap."""

    model_config = ConfigDict(json_schema_extra=WHOLE)

    type: Literal["Secret", "ConfigMap"] = Field(description="Secret or ConfigMap.")
    name: ReferredName = Field(description="Its name.")
    key: ReferredKey = Field(description="Its key, in PEM.")
    namespace: ReferredName | None = Field(
        None,
        description="Its namespace. Required in a ClusterSecretStore; a SecretStore reads its own namespace only, and "
        "refuses another.",
    )
