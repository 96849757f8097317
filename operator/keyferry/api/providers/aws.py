"""AWS Secrets Manager, and how to log in there."""

from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from keyferry.api.model import Form, Model, given, keyed, rule, rules
from keyferry.api.providers.references import Endpoint, SecretKeyRef, ServiceAccountRef

RoleArn = Annotated[
    str,
    Field(max_length=2048),
    Form(r"^arn:[a-z-]+:iam::[0-9]{12}:role/.+$", "write the role's ARN: arn:aws:iam::123456789012:role/name"),
]
QueueUrl = Annotated[
    str,
    Field(max_length=2048),
    Form(
        r"^https?://[-A-Za-z0-9._:\[\]]+/[0-9]{12}/[-A-Za-z0-9_]{1,80}(\.fifo)?$",
        "write the queue's URL as AWS gives it: https://sqs.eu-west-1.amazonaws.com/123456789012/name",
    ),
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


class AwsSqs(Model):
    """A queue of SQS. Its messages are not read: that one is there is all that they say."""

    queue_url: QueueUrl = Field(
        description="The queue's URL, of any region. Each store needs a queue of its own, on which its login may do "
        "sqs:ReceiveMessage and sqs:DeleteMessage. A SecretStore may name AWS's addresses, and those allowed."
    )


class AwsEvents(Model):
    """Where AWS says that something changed, such as EventBridge by way of a queue."""

    sqs: AwsSqs = Field(description="A queue whose every message means that some secret may have changed.")


class Aws(Model):
    """AWS Secrets Manager."""

    tagged: ClassVar[bool] = True
    proxied: ClassVar[bool] = True

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
    events: AwsEvents | None = Field(
        None,
        description="Where AWS says that something changed, so that it arrives within seconds at any refreshInterval.",
    )
