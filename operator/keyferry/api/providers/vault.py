"""What a store says about HashiCorp Vault, or OpenBao, which speaks the same."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from keyferry.api.model import Form, Model, rule, rules
from keyferry.api.providers.references import CaProvider, Endpoint, SecretKeyRef, ServiceAccountRef

# A path of Vault's API: of nothing that means something else in a URL. The backend refuses the parts . and .. in it.
Path = Annotated[str, Field(max_length=256, pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_./-]*$")]


class VaultMethod(StrEnum):
    """The ways to log in."""

    TOKEN = "Token"  # noqa: S105 - the method's name
    APP_ROLE = "AppRole"
    USERPASS = "Userpass"
    KUBERNETES = "Kubernetes"
    JWT = "JWT"


def _with(field: str, *methods: VaultMethod) -> dict[str, str]:
    """A field that these methods need, and no other knows."""
    listed = ", ".join(f"'{method}'" for method in methods)
    spoken = " and ".join(filter(None, (", ".join(methods[:-1]), methods[-1])))
    return rule(f"has(self.{field}) == (self.method in [{listed}])", f"give {field} with {spoken}, and only there")


class VaultAuth(Model):
    """How to log in to Vault."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            _with("secretRef", VaultMethod.TOKEN, VaultMethod.APP_ROLE, VaultMethod.USERPASS),
            _with("serviceAccountRef", VaultMethod.KUBERNETES, VaultMethod.JWT),
            _with("role", VaultMethod.APP_ROLE, VaultMethod.KUBERNETES, VaultMethod.JWT),
            _with("username", VaultMethod.USERPASS),
            rule("!has(self.mount) || self.method != 'Token'", "leave mount out: a token is used as it is"),
            rule("!has(self.audience) || has(self.serviceAccountRef)", "audience goes with serviceAccountRef only"),
        )
    )

    method: VaultMethod = Field(
        description="Token: one held in a Secret. AppRole, Userpass. Kubernetes, JWT: a ServiceAccount's token, which "
        "Vault has the API server review, or verifies by the issuer's keys."
    )
    mount: Path | None = Field(
        None, description="Where the login is mounted. Default: approle, userpass, kubernetes or jwt."
    )
    role: str | None = Field(
        None, description="The role of Kubernetes and JWT; for AppRole its role ID.", min_length=1, max_length=256
    )
    username: Path | None = Field(None, description="The user's name, for Userpass.")
    secret_ref: SecretKeyRef | None = Field(None, description="Where the token, secret ID or password is.")
    service_account_ref: ServiceAccountRef | None = Field(
        None, description="The ServiceAccount whose token is sent to Vault."
    )
    audience: (
        Annotated[
            str,
            Field(min_length=1, max_length=256),
            # With such a token, whoever is at the other end could use the Kubernetes API as that ServiceAccount.
            # What is listed in an annotation, a comma or space would take apart.
            Form(
                r"^(https://kubernetes\.default.*|.*[,\s].*)$",
                "write an audience that is not the API server's, without commas and spaces",
                wanted=False,
            ),
        ]
        | None
    ) = Field(None, description="The token's audience, which the role must name, too. Default: vault.")


class Vault(Model):
    """A KV secrets engine of HashiCorp Vault or OpenBao."""

    tagged: ClassVar[bool] = False  # custom metadata is there, but to list it costs a call for each secret
    proxied: ClassVar[bool] = True

    server: Endpoint = Field(
        description="Vault's address, such as https://vault.example:8200. A SecretStore may use those that the "
        "operator allows."
    )
    root_engine: Path = Field("secret", description="Where the KV engine is mounted. Default: secret.")
    version: Literal["v1", "v2"] = Field("v2", description="The KV engine's version, v1 or v2. Default: v2.")
    namespace: Path | None = Field(None, description="The namespace, in Vault Enterprise and OpenBao.")
    ca_provider: CaProvider | None = Field(None, description="The only certificates to trust.")
    auth: VaultAuth = Field(description="How to log in.")
