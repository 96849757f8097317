"""What AWS and its SDK say, and what Keyferry says instead: one table. AWS's own words are never passed on.

They can hold anything, a signed request with its session token among them. Only known parts are taken out of them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from keyferry.backends import certificates
from keyferry.errors import (
    AuthFailed,
    BackendUnavailable,
    EventSourceMissing,
    PermissionDenied,
    SecretMissing,
    SpecInvalid,
    SyncError,
    Throttled,
)

T = TypeVar("T")


class LoginRefused(AuthFailed):
    """AWS does not accept the keys themselves. Where they came from a login of ours, newer ones may help."""


class CallDenied(PermissionDenied):
    """IAM denies the call."""


@dataclass(frozen=True, slots=True)
class About:
    """What was tried, as who, and with whom."""

    service: str  # as IAM calls it: secretsmanager, sts, sqs; or credentials, for those of the operator's environment
    operation: str  # for sqs as IAM calls it
    login: str
    resource: str = "*"  # a secret's ARN or name, a role's ARN
    version: str = ""  # as in `Ref`
    host: str = "its source"

    def at(self, host: str) -> "About":
        return replace(self, host=host)


@dataclass(frozen=True, slots=True)
class Failure:
    """What came back: AWS's error code, or the names of the SDK's exception and of the classes that it is a case of."""

    codes: tuple[str, ...]  # the most telling first
    message: str = field(default="", repr=False)
    status: int = 0
    retry_after: float | None = None

    @property
    def code(self) -> str:
        """As a text may show it: a code that the tables know. Any other could be a word out of a broken answer."""
        known = (code for code in self.codes if any(code in table for table in _TABLES))
        return next(known, f"status {self.status}")


Tell = Callable[[Failure, About], SyncError]

_DENIED = re.compile(
    r"not authorized to perform: (?P<action>[a-z0-9-]+:\w+)(?: on resource: (?P<resource>arn:[\w:/+=.@*!-]+))?"
)
_DENIER = re.compile(
    r"explicit deny in an? (?P<explicit>[a-z-]+(?: control)?) policy|no (?P<lacking>[a-z-]+) policy allows"
)


def told(failure: Failure, about: About) -> SyncError:
    """The error for the user's status: which resource, which permission, which address, and what to do."""
    own = _OWN.get(about.service, _SECRETS_MANAGER)
    found = (table[code] for code in failure.codes for table in (own, _KEYS_REFUSED, _OF_SDK) if code in table)
    otherwise = _misconfigured if about.service == "credentials" else _by_status(failure.status)
    return next(found, otherwise)(failure, about)


def throttles(code: str) -> bool:
    """Whether a code of Secrets Manager asks for patience."""
    return code in _THROTTLES


def _by_status(status: int) -> Tell:
    if status == 401:
        return _refused_as("they are not valid")
    if status == 403:
        return _denied
    if status == 429:
        return _throttled
    return _senseless


def _refused_as(why: str) -> Tell:
    def tell(failure: Failure, about: About) -> SyncError:
        return LoginRefused(f"{about.host} does not accept the keys of {about.login}: {why} ({failure.code})")

    return tell


def _signed_wrongly(failure: Failure, about: About) -> SyncError:
    said = failure.message.lower()
    late = any(phrase in said for phrase in ("signature expired", "not yet current"))
    return (_CLOCK_OFF if late else _WRONG_KEY)(failure, about)


_CLOCK_OFF = _refused_as("the operator's clock is off, by more than five minutes: mend it on the pod's node")
_WRONG_KEY = _refused_as("the secret access key does not belong to the access key ID")


def _denied(failure: Failure, about: About) -> SyncError:
    if failure.message.startswith("Access to KMS"):
        return CallDenied(
            f"{about.login} is not allowed kms:Decrypt on the KMS key of {about.resource}: allow it in an IAM policy, "
            "and in the key's own"
        )
    found = _DENIED.search(failure.message)
    action = f"{about.service}:{about.operation}"
    if found and found["action"].lower() != action.lower():  # SQS writes its own in small letters
        action = found["action"]
    resource = (found and found["resource"]) or about.resource
    return CallDenied(f"{about.login} is not allowed {action} on {resource}: {_remedy(failure.message, action)}")


def _remedy(message: str, action: str) -> str:
    found = _DENIER.search(message)
    if found and found["explicit"]:
        return f"some {found['explicit']} policy denies it explicitly"
    if found and found["lacking"] != "identity-based":
        return f"allow {action} there in a {found['lacking']} policy"
    return f"allow {action} there in an IAM policy"


def _missing(failure: Failure, about: About) -> SyncError:
    said = failure.message.lower()
    if about.version and ("value" in said or "version" in said):
        return SecretMissing(f"{about.resource} has no version {about.version}")
    if about.version:
        return SecretMissing(f"Secrets Manager has no secret {about.resource}, or no version {about.version} of it")
    if "staging label" in said:
        return SecretMissing(f"{about.resource} has no value yet: nothing in it is staged AWSCURRENT")
    return SecretMissing(f"Secrets Manager has no secret {about.resource} in the store's account and region")


def _request_refused(failure: Failure, about: About) -> SyncError:
    said = failure.message.lower()
    if "delet" in said:
        return SecretMissing(f"{about.resource} is scheduled for deletion: restore it, or drop it here")
    if about.version and "stage" in said:
        return SecretMissing(f"{about.resource} has no version {about.version}")
    return BackendUnavailable(f"Secrets Manager does not let {about.resource} be read as it is now ({failure.code})")


def _no_such_id(failure: Failure, about: About) -> SyncError:
    asked = f"{about.resource} at version {about.version}" if about.version else about.resource
    return SecretMissing(f"Secrets Manager does not take {asked} for the name or ARN of a secret ({failure.code})")


def _undecipherable(_: Failure, about: About) -> SyncError:
    return PermissionDenied(
        f"KMS does not decrypt {about.resource} for {about.login}: its key must be there, be enabled, "
        "and allow kms:Decrypt"
    )


def _throttled(failure: Failure, about: About) -> SyncError:
    return Throttled(f"{about.host} is asked too often ({failure.code})", retry_after=failure.retry_after)


def _broken(failure: Failure, about: About) -> SyncError:
    if failure.retry_after is not None:
        return Throttled(
            f"{about.host} fails at {about.operation} and asks for patience ({failure.code})",
            retry_after=failure.retry_after,
        )
    return BackendUnavailable(f"{about.host} fails at {about.operation} ({failure.code})")


def _senseless(failure: Failure, about: About) -> SyncError:
    if failure.status >= 500:
        return _broken(failure, about)
    return BackendUnavailable(
        f"{about.host} answers {about.operation} with what Keyferry does not understand ({failure.code})"
    )


def _page_lost(_: Failure, about: About) -> SyncError:
    return BackendUnavailable(f"{about.host} forgot where {about.operation} was; it starts over")


def _out_of_reach(how: str) -> Tell:
    def tell(_: Failure, about: About) -> SyncError:
        return BackendUnavailable(f"{about.operation}: {how.format(host=about.host)}")

    return tell


def _login_fails(how: str) -> Tell:
    def tell(_: Failure, about: About) -> SyncError:
        return AuthFailed(f"{about.login}: {how}")

    return tell


def _misconfigured(_: Failure, about: About) -> SyncError:
    return AuthFailed(f"{about.login}: AWS's SDK finds its configuration in the operator's pod broken")


def _role_denied(failure: Failure, about: About) -> SyncError:
    found = _DENIED.search(failure.message)
    action = found["action"] if found else f"sts:{about.operation}"
    if about.operation == "AssumeRoleWithWebIdentity":
        return AuthFailed(
            f"{about.login}: the trust policy of {about.resource} does not accept it: it must allow "
            "sts:AssumeRoleWithWebIdentity for just this subject and audience"
        )
    return AuthFailed(
        f"{about.login} is not allowed {action} on {about.resource}: allow it in an IAM policy and in the role's "
        "trust policy, and give the external ID that the latter asks for"
    )


def _role_misnamed(failure: Failure, about: About) -> SyncError:
    return SpecInvalid(
        f"STS does not understand {about.operation} for {about.resource} ({failure.code}): check the role's ARN, the "
        "session's name, the external ID and the session tags"
    )


def _queue_missing(failure: Failure, about: About) -> SyncError:
    return EventSourceMissing(
        f"there is no queue {about.resource}, or none that {about.login} may see ({failure.code}): create it, allow "
        f"sqs:{about.operation} on it, or mend spec.provider.aws.events.sqs.queueUrl"
    )


def _queue_locked(failure: Failure, about: About) -> SyncError:
    return PermissionDenied(
        f"{about.login} cannot use the KMS key of {about.resource} ({failure.code}): it must be there, be enabled, and "
        "allow kms:Decrypt"
    )


def _same(tell: Tell, *codes: str) -> Mapping[str, Tell]:
    return dict.fromkeys(codes, tell)


_THROTTLES = _same(
    _throttled,
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "LimitExceededException",
    "BandwidthLimitExceeded",
    "PriorRequestNotComplete",
    "SlowDown",
)
_FAULTS = _same(
    _broken,
    "InternalServiceError",
    "InternalServiceErrorException",
    "InternalFailure",
    "InternalError",
    "InternalServerError",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "ServiceUnavailableError",
    "RequestTimeout",
    "RequestTimeoutException",
)
_KEYS_REFUSED: Mapping[str, Tell] = {
    **_same(
        _refused_as("there is no such access key, or it is inactive, or the region is not enabled for its account"),
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "UnrecognizedClient",
        "InvalidAccessKeyId",
    ),
    **_same(
        _signed_wrongly,
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "IncompleteSignature",
        "IncompleteSignatureException",
    ),
    **_same(_CLOCK_OFF, "RequestExpired", "RequestTimeTooSkewed"),
    **_same(_refused_as("their time is over"), "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"),
    **_same(_refused_as("their session token is not valid"), "InvalidToken", "InvalidTokenException"),
    **_same(
        _refused_as("they are incomplete; temporary keys need their session token"),
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
    ),
    **_same(_refused_as("their account may not use the service; it may not be opted in"), "OptInRequired"),
}
_SECRETS_MANAGER: Mapping[str, Tell] = {
    **_THROTTLES,
    **_FAULTS,
    **_same(_denied, "AccessDenied", "AccessDeniedException", "UnauthorizedOperation"),
    **_same(_missing, "ResourceNotFoundException", "ResourceNotFound"),
    **_same(_request_refused, "InvalidRequestException"),
    **_same(_no_such_id, "ValidationException", "InvalidParameterException", "ParamValidationError"),
    **_same(_undecipherable, "DecryptionFailure", "DecryptionFailureException"),
    **_same(_page_lost, "InvalidNextTokenException"),
}
_STS: Mapping[str, Tell] = {
    **_THROTTLES,
    **_FAULTS,
    **_same(_role_denied, "AccessDenied", "AccessDeniedException"),
    **_same(
        _role_misnamed, "ValidationError", "MalformedPolicyDocument", "PackedPolicyTooLarge", "ParamValidationError"
    ),
    **_same(
        _login_fails(
            "IAM does not accept its token: the account needs an OIDC provider with the cluster's issuer, "
            "that knows the token's audience"
        ),
        "InvalidIdentityToken",
        "InvalidIdentityTokenException",
        "IDPRejectedClaim",
    ),
    **_same(_login_fails("its token came too late; the operator's clock may be off"), "ExpiredTokenException"),
    **_same(_out_of_reach("{host} cannot reach the cluster's issuer"), "IDPCommunicationError"),
    **_same(_login_fails("STS is not activated in the store's region for this account"), "RegionDisabledException"),
}
# SQS's codes are those of its former protocol, which come in a header, or where that is lacking those of the new one.
_SQS: Mapping[str, Tell] = {
    **_THROTTLES,
    **_FAULTS,
    **_same(_denied, "AccessDenied", "AccessDeniedException"),
    **_same(
        _queue_missing,
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "InvalidAddress",
    ),
    **_same(_throttled, "OverLimit", "KMS.ThrottlingException", "KmsThrottled"),
    **_same(
        _queue_locked,
        "KMS.AccessDeniedException",
        "KmsAccessDenied",
        "KMS.DisabledException",
        "KmsDisabled",
        "KMS.InvalidStateException",
        "KmsInvalidState",
        "KMS.NotFoundException",
        "KmsNotFound",
    ),
}
_CERTIFICATES: Mapping[str, str] = {
    **certificates.WORDS,
    certificates.AUTHORITY: (
        "its certificate is of an authority that is not trusted: name the right one in a bundle, in AWS_CA_BUNDLE of "
        "the operator"
    ),
}
_OF_SDK: Mapping[str, Tell] = {
    **_same(_out_of_reach("{host} does not answer in time"), "ReadTimeoutError", "ConnectTimeoutError"),
    **_same(_out_of_reach("cannot connect to {host}"), "EndpointConnectionError", "ConnectionError"),
    **{kind: _out_of_reach(f"no secure connection to {{host}}: {words}") for kind, words in _CERTIFICATES.items()},
    **_same(
        _out_of_reach("no secure connection to {host}: there is no agreement on TLS; is it https at all?"), "SSLError"
    ),
    **_same(
        _out_of_reach("{host} breaks off"),
        "ConnectionClosedError",
        "ResponseStreamingError",
        "IncompleteReadError",
        "HTTPClientError",
    ),
    **_same(_out_of_reach("{host} answers with what AWS's SDK cannot read"), "ResponseParserError"),
    **_same(
        _login_fails("there are no complete AWS credentials in it"), "NoCredentialsError", "PartialCredentialsError"
    ),
    **_same(
        _login_fails("it hands over no credentials just now"),
        "CredentialRetrievalError",
        "MetadataRetrievalError",
        "TokenRetrievalError",
        "SSOError",
        "LoginError",
        "OSError",
    ),
}

_OWN = {"sts": _STS, "sqs": _SQS}
_TABLES = (_SECRETS_MANAGER, _STS, _SQS, _KEYS_REFUSED, _OF_SDK)
