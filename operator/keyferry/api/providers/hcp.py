"""What a store says about HCP Vault Secrets."""

from typing import Annotated, ClassVar

from pydantic import Field

from keyferry.api.model import Model
from keyferry.api.providers.references import CaProvider, SecretKeyRef

# Always TLS: there is no way to say otherwise.
Address = Annotated[str, Field(max_length=255, pattern=r"^https://[-A-Za-z0-9._:\[\]]+/?$")]
Identity = Annotated[str, Field(max_length=64, pattern=r"^[-A-Za-z0-9]+$")]

API = "https://api.cloud.hashicorp.com"
AUTH = "https://auth.idp.hashicorp.com"


class HcpAuth(Model):
    """A service principal's key."""

    client_id_secret_ref: SecretKeyRef = Field(description="Where the client ID is.")
    client_secret_secret_ref: SecretKeyRef = Field(description="Where the client secret is.")


class Hcp(Model):
    """An app of HCP Vault Secrets."""

    tagged: ClassVar[bool] = False
    proxied: ClassVar[bool] = True
    separator: ClassVar[str] = "_"  # names have letters and digits besides, and nothing else

    organization: Identity = Field(description="The organization's ID.")
    project: Identity = Field(description="The project's ID.")
    # The names that apps can have, by HCP's documentation.
    app: Annotated[str, Field(max_length=36, pattern=r"^[A-Za-z][-A-Za-z0-9]{2,35}$")] = Field(
        description="The app's name."
    )
    auth: HcpAuth = Field(description="The key of a service principal.")
    endpoint: Address = Field(
        API,
        description=f"The API. Default: {API}. A SecretStore may use what the operator allows.",
    )
    auth_endpoint: Address = Field(AUTH, description=f"Where tokens come from. Default: {AUTH}.")
    ca_provider: CaProvider | None = Field(None, description="The only certificates to trust.")
