"""What a store says about its backend: one model a provider."""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from keyferry.api.model import Form, Model, given, keyed, rule, rules
from keyferry.api.references import CaProvider, Endpoint, SecretKeyRef, ServiceAccountRef
from keyferry.api.vault import Vault

RoleArn = Annotated[
    str,
    Field(max_length=2048),
    Form(r"^arn:[a-z-]+:iam::[0-9]{12}:role/.+$", "write the role's ARN: arn:aws:iam::123456789012:role/name"),
]


class AwsAccessKey(Model):
    """A long-lived or temporary access key."""

    access_key_id_secret_ref: SecretKeyRef = Field(description="Where the access key ID is.")
    secret_access_key_secret_ref: SecretKeyRef = Field(description="Where the secret access key is.")
    session_token_secret_ref: SecretKeyRef | None = Field(
        None, description="Where the session token of temporary credentials is."
    )


class AwsSharedCredentials(Model):
    """A file in the format of ~/.aws/credentials, held in a Secret."""

    secret_ref: SecretKeyRef = Field(description="Where the text of the credentials file is.")
    profile: str = Field("default", description="The profile to use. Default: default.", min_length=1, max_length=128)


class AwsWebIdentity(Model):
    """A ServiceAccount's token, exchanged at STS for a role (IAM roles for service accounts)."""

    service_account_ref: ServiceAccountRef = Field(description="The ServiceAccount whose token is sent to STS.")
    role_arn: RoleArn = Field(
        description="The role to assume with the token, such as arn:aws:iam::123456789012:role/keyferry."
    )
    audience: str = Field(
        "sts.amazonaws.com",
        description="The audience of the token, one of STS's. Default: sts.amazonaws.com.",
        max_length=256,
        pattern=r"^sts\.[-a-z0-9.]+$",  # never one that the API server itself accepts
    )


class AwsPodIdentity(Model):
    """EKS Pod Identity of the operator's own pod. A ClusterSecretStore's only, unless the operator allows more."""


class AwsAmbient(Model):
    """The SDK's own chain in the operator's pod. A ClusterSecretStore's only, unless the operator allows more."""


class AwsSessionTag(Model):
    """A session tag, which IAM policies see as aws:PrincipalTag."""

    key: str = Field(description="The tag's key.", min_length=1, max_length=128)
    value: str = Field(description="The tag's value.", max_length=256)


class AwsAssumeRole(Model):
    """A role that is assumed with the login above it."""

    role_arn: RoleArn = Field(description="The role to assume, such as arn:aws:iam::123456789012:role/keyferry.")
    external_id: str | None = Field(
        None, description="The external ID that the role's trust policy asks for.", min_length=2, max_length=1224
    )
    session_name: Annotated[
        str,
        Field(min_length=2, max_length=64),
        Form(r"^[a-zA-Z0-9_+=,.@-]+$", "write a name of letters, digits and the characters _ + = , . @ -"),
    ] = Field("keyferry", description="The session's name, seen in CloudTrail. Default: keyferry.")
    session_tags: tuple[AwsSessionTag, ...] = Field(
        (),
        description="Session tags, seen by IAM policies as aws:PrincipalTag.",
        max_length=50,
        json_schema_extra=keyed("key"),
    )


class AwsAuth(Model):
    """How to log in to AWS: one login, and perhaps a role assumed with it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"{given('accessKey', 'sharedCredentials', 'webIdentity', 'podIdentity', 'ambient')} <= 1",
                "give only one of accessKey, sharedCredentials, webIdentity, podIdentity and ambient",
            )
        )
    )

    access_key: AwsAccessKey | None = Field(None, description="An access key held in a Secret.")
    shared_credentials: AwsSharedCredentials | None = Field(
        None, description="A shared credentials file held in a Secret, and a profile in it."
    )
    web_identity: AwsWebIdentity | None = Field(
        None, description="A ServiceAccount's token, exchanged at STS (IAM roles for service accounts)."
    )
    pod_identity: AwsPodIdentity | None = Field(
        None,
        description="EKS Pod Identity of the operator's own pod: podIdentity: {}. A SecretStore may use it only where "
        "the operator allows that.",
    )
    ambient: AwsAmbient | None = Field(
        None,
        description="The SDK's own chain in the operator's pod: ambient: {}. The same as giving no login at all. "
        "A SecretStore may use it only where the operator allows that.",
    )
    assume_role: AwsAssumeRole | None = Field(None, description="A role to assume with the login above.")


class Aws(Model):
    """AWS Secrets Manager."""

    tagged: ClassVar[bool] = True

    region: (
        Annotated[
            str,
            Field(max_length=64),
            Form(r"^[a-z]{2,}(-[a-z]+)+-[0-9]+$", "write a region such as eu-west-1"),
        ]
        | None
    ) = Field(
        None,
        description="The region, such as eu-west-1. Default: the region of the operator's own environment, "
        "for a ClusterSecretStore only.",
    )
    auth: AwsAuth | None = Field(None, description="How to log in. Default: ambient, the SDK's own chain.")
    endpoint: Endpoint | None = Field(
        None,
        description="Another address for Secrets Manager, such as that of a VPC endpoint. A SecretStore may use "
        "those that the operator allows.",
    )
    sts_endpoint: Endpoint | None = Field(None, description="Another address for STS, where roles are assumed.")


class SqlEncryption(Model):
    """How values are encrypted in the table."""

    key_secret_ref: SecretKeyRef = Field(
        description="Where the key is: any text of at least 32 characters. Whoever loses it loses the values."
    )


class Sql(Model):
    """A table in a SQL database; for now in SQLite, kept by the operator in its data folder."""

    tagged: ClassVar[bool] = True

    database: Annotated[
        str,
        Field(min_length=1, max_length=63),
        Form(
            r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
            "write a name, never a path: lower-case letters, digits and -, with a letter or digit at both ends",
        ),
    ] = Field(description="The database's name, never a path. A SecretStore's databases are its namespace's own.")
    encryption: SqlEncryption = Field(description="The key that encrypts the values.")


def _exactly_one(schema: dict[str, Any]) -> None:
    names = list(schema["properties"])
    schema.update(rules(rule(f"{given(*names)} == 1", f"give exactly one provider: {_either(names)}")))


def _either(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}"


class Provider(Model):
    """The backend: exactly one. What makes a provider known is its field here; its backend is the package so named."""

    model_config = ConfigDict(json_schema_extra=_exactly_one)

    aws: Aws | None = Field(None, description="AWS Secrets Manager.")
    sql: Sql | None = Field(None, description="A SQL table with encrypted values, kept by the operator (SQLite).")
    vault: Vault | None = Field(None, description="HashiCorp Vault or OpenBao: a KV secrets engine.")

    @property
    def name(self) -> str:
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def chosen(self) -> Any:
        """The one that is given. Raises ValueError where none is, or several are."""
        given = [each for name in type(self).model_fields if (each := getattr(self, name)) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one provider: {_either(type(self).model_fields)}")
        return given[0]

    @property
    def tagged(self) -> bool:
        """Whether the backend's secrets have tags."""
        tagged: bool = self.chosen.tagged
        return tagged


__all__ = ["Aws", "CaProvider", "Endpoint", "Provider", "SecretKeyRef", "ServiceAccountRef", "Sql", "Vault"]
