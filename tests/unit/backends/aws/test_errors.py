import pickle

import pytest

from keyferry.backends.aws.errors import About, CallDenied, Failure, LoginRefused, told
from keyferry.errors import (
    AuthFailed,
    BackendUnavailable,
    EventSourceMissing,
    PermissionDenied,
    SecretMissing,
    SpecInvalid,
    SyncError,
    Throttled,
    bare,
)

ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:acme/db-AbCdEf"
ROLE = "arn:aws:iam::111122223333:role/payments"
READING = About("secretsmanager", "GetSecretValue", "the key", ARN, host="sm.example")
LISTING = About("secretsmanager", "ListSecrets", "the key", host="sm.example")
ASSUMING = About("sts", "AssumeRole", "the key", ROLE, host="sts.example")
WEB = About("sts", "AssumeRoleWithWebIdentity", "the token", ROLE, host="sts.example")
QUEUE = "arn:aws:sqs:eu-west-1:111122223333:changes"
POLLING = About("sqs", "ReceiveMessage", "the key", QUEUE, host="sqs.example")
DENIED = f"User: arn:aws:iam::1:user/u is not authorized to perform: secretsmanager:GetSecretValue on resource: {ARN}"


def of(code: str, message: str = "", about: About = READING, status: int = 400) -> SyncError:
    return told(Failure((code,), message, status), about)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDeniedException", CallDenied),
        ("ResourceNotFoundException", SecretMissing),
        ("InvalidParameterException", SecretMissing),
        ("ValidationException", SecretMissing),
        ("DecryptionFailure", PermissionDenied),
        ("ThrottlingException", Throttled),
        ("Throttling", Throttled),
        ("TooManyRequestsException", Throttled),
        ("InternalServiceError", BackendUnavailable),
        ("ServiceUnavailable", BackendUnavailable),
        ("InvalidNextTokenException", BackendUnavailable),
        ("UnrecognizedClientException", LoginRefused),
        ("InvalidSignatureException", LoginRefused),
        ("SignatureDoesNotMatch", LoginRefused),
        ("ExpiredTokenException", LoginRefused),
        ("ExpiredToken", LoginRefused),
        ("InvalidClientTokenId", LoginRefused),
        ("MissingAuthenticationTokenException", LoginRefused),
        ("NoCredentialsError", AuthFailed),
        ("EndpointConnectionError", BackendUnavailable),
        ("ReadTimeoutError", BackendUnavailable),
        ("SSLError", BackendUnavailable),
        ("", BackendUnavailable),
        ("NeverHeardOf", BackendUnavailable),
    ],
)
def test_a_code_becomes_the_error_that_says_who_can_do_what(code: str, kind: type[SyncError]):
    assert type(of(code)) is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, LoginRefused), (403, CallDenied), (404, BackendUnavailable), (429, Throttled), (503, BackendUnavailable)],
)
def test_an_unknown_code_is_judged_by_its_status(status: int, kind: type[SyncError]):
    assert type(of("Strange", status=status)) is kind


def test_the_most_telling_name_of_an_exception_decides():
    failure = Failure(("BrandNewError", "ReadTimeoutError", "HTTPClientError", "BotoCoreError"))
    assert str(told(failure, READING)) == "GetSecretValue: sm.example does not answer in time"


@pytest.mark.parametrize(
    ("why", "remedy"),
    [
        ("because no identity-based policy allows the", "allow secretsmanager:GetSecretValue there in an IAM policy"),
        (
            "because no resource-based policy allows",
            "allow secretsmanager:GetSecretValue there in a resource-based policy",
        ),
        ("with an explicit deny in a service control policy", "some service control policy denies it explicitly"),
        ("", "allow secretsmanager:GetSecretValue there in an IAM policy"),
    ],
)
def test_a_denial_names_action_resource_and_remedy(why: str, remedy: str):
    text = str(of("AccessDeniedException", f"{DENIED} {why}"))
    assert text == f"the key is not allowed secretsmanager:GetSecretValue on {ARN}: {remedy}"


def test_a_denial_in_other_words_is_told_by_what_was_asked():
    text = str(of("AccessDeniedException", "who knows"))
    assert text.startswith(f"the key is not allowed secretsmanager:GetSecretValue on {ARN}: ")


def test_a_denied_key_of_kms_is_told_by_its_action():
    text = str(of("AccessDeniedException", "Access to KMS is not allowed"))
    assert text.startswith(f"the key is not allowed kms:Decrypt on the KMS key of {ARN}: ")


def test_a_secret_with_kms_in_its_name_is_not_taken_for_a_key():
    arn = ARN.replace("acme/db", "acme/KMS")
    text = str(of("AccessDeniedException", DENIED.replace(ARN, arn)))
    assert text.startswith(f"the key is not allowed secretsmanager:GetSecretValue on {arn}: ")


def test_a_denied_listing_names_the_action_on_everything():
    assert "secretsmanager:ListSecrets on *" in str(of("AccessDeniedException", about=LISTING))


@pytest.mark.parametrize(
    ("code", "about", "kind", "part"),
    [
        ("AccessDenied", ASSUMING, AuthFailed, f"not allowed sts:AssumeRole on {ROLE}"),
        ("AccessDenied", WEB, AuthFailed, f"the trust policy of {ROLE} does not accept it"),
        ("InvalidIdentityToken", WEB, AuthFailed, "OIDC provider"),
        ("ExpiredTokenException", WEB, AuthFailed, "came too late"),
        ("IDPCommunicationError", WEB, BackendUnavailable, "cannot reach the cluster's issuer"),
        ("RegionDisabledException", ASSUMING, AuthFailed, "not activated"),
        ("ValidationError", ASSUMING, SpecInvalid, "check the role's ARN"),
        ("PackedPolicyTooLarge", ASSUMING, SpecInvalid, "session tags"),
        ("ExpiredToken", ASSUMING, LoginRefused, "sts.example does not accept the keys of the key"),
        ("Throttling", ASSUMING, Throttled, "sts.example is asked too often"),
    ],
)
def test_what_sts_says_is_about_the_login(code: str, about: About, kind: type[SyncError], part: str):
    error = of(code, about=about)
    assert type(error) is kind
    assert part in str(error)


ALL_CODES = [
    "AccessDeniedException",
    "ResourceNotFoundException",
    "InvalidRequestException",
    "ValidationException",
    "DecryptionFailure",
    "ThrottlingException",
    "SignatureDoesNotMatch",
    "InternalServiceError",
    "ReadTimeoutError",
    "Whatever: canary",
]


@pytest.mark.parametrize("code", ALL_CODES)
@pytest.mark.parametrize("about", [READING, LISTING, ASSUMING, WEB], ids=lambda about: about.operation)
def test_what_aws_says_is_never_passed_on(code: str, about: About):
    error = of(code, "canary: not authorized to perform: canary on resource: canary", about)
    assert "canary" not in str(error)
    assert "canary" not in repr(Failure(("x",), "canary"))


def test_an_error_made_bare_is_the_same_without_its_past():
    with pytest.raises(Throttled) as raised:
        raise Throttled("slow", retry_after=3) from ValueError("canary")
    error = bare(raised.value)
    assert isinstance(error, Throttled)
    assert (str(error), error.retry_after) == ("slow", 3)
    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)
    assert b"canary" not in pickle.dumps(error)


@pytest.mark.parametrize("code", ["ServiceUnavailable", "NeverHeardOf", "ThrottlingException"])
def test_a_failure_of_theirs_that_says_when_to_come_back_is_obeyed(code: str):
    error = told(Failure((code,), "", 503, 60.0), READING)
    assert isinstance(error, Throttled)
    assert error.retry_after == 60


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AWS.SimpleQueueService.NonExistentQueue", EventSourceMissing),
        ("QueueDoesNotExist", EventSourceMissing),
        ("InvalidAddress", EventSourceMissing),
        ("AccessDenied", CallDenied),
        ("AccessDeniedException", CallDenied),
        ("KMS.AccessDeniedException", PermissionDenied),
        ("KMS.DisabledException", PermissionDenied),
        ("OverLimit", Throttled),
        ("RequestThrottled", Throttled),
        ("InternalError", BackendUnavailable),
        ("InvalidClientTokenId", LoginRefused),
        ("InvalidParameterValue", BackendUnavailable),
    ],
)
def test_what_sqs_says_becomes_an_error_that_names_the_queue_or_its_address(code: str, kind: type[SyncError]):
    error = of(code, about=POLLING)
    assert type(error) is kind
    assert QUEUE in str(error) or "sqs.example" in str(error)


@pytest.mark.parametrize(
    "said",
    [
        f"User: arn:aws:iam::1:user/u is not authorized to perform: sqs:receivemessage on resource: {QUEUE} because …",
        "Access to the resource https://sqs.eu-west-1.amazonaws.com/ is denied.",
    ],
    ids=["new words", "old words"],
)
def test_sqs_is_told_with_the_action_as_policies_write_it_and_the_queue(said: str):
    text = str(of("AccessDenied", said, POLLING, 403))
    assert text.startswith(f"the key is not allowed sqs:ReceiveMessage on {QUEUE}: ")


def test_a_queue_of_another_account_is_allowed_in_its_own_policy():
    said = f"not authorized to perform: sqs:receivemessage on resource: {QUEUE} because no resource-based policy allows"
    assert str(of("AccessDenied", said, POLLING)).endswith("allow sqs:ReceiveMessage there in a resource-based policy")
