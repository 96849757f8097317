"""Secrets Manager of the AWS stand-in: moto's, with AWS's limits, errors and permissions put back."""

import base64
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.secretsmanager.models import secretsmanager_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from moto.settings import allow_unknown_region
from werkzeug.test import Client

from tests.standins.aws_iam import Iam, Principal
from tests.standins.aws_wire import Answer, AwsError, Request, json_answer

_NAME = re.compile(r"[A-Za-z0-9/_+=.@!-]{1,512}")
_FILTER = re.compile(r"!?[a-zA-Z0-9 :_@/+=.!-]{0,512}")
_MOST = {"ListSecrets": 100, "ListSecretVersionIds": 100, "BatchGetSecretValue": 20}
_WRITES = {"CreateSecret", "PutSecretValue", "UpdateSecret"}


@dataclass(slots=True)
class Secrets:
    """Answers Secrets Manager's calls. moto is not made for threads: one lock guards it."""

    iam: Iam
    page: int | None = None  # how many values BatchGetSecretValue gives at once; None: all that are asked
    _moto: Client = field(default_factory=lambda: Client(DomainDispatcherApplication(create_backend_app)))
    lock: threading.RLock = field(default_factory=threading.RLock)

    def backend(self, region: str) -> Any:
        """The state of this account in moto, for seeding without HTTP. Hold the lock."""
        return secretsmanager_backends[self.iam.account][region]

    def answer(self, request: Request) -> Answer:
        principal = self.iam.principal(request)
        if not _has_region(request.region):
            raise AwsError("InvalidSignatureException", "Credential should be scoped to a valid region.")
        _within_limits(request)
        with self.lock:
            if request.action == "ListSecrets":
                self.iam.demand(principal, "secretsmanager:ListSecrets", "*")
                return _listed(self._by_moto(request))
            if request.action == "BatchGetSecretValue":
                return self._batch(principal, request)
            if request.action == "GetSecretValue":
                return json_answer(self._value(principal, request, request.params["SecretId"]))
            secret = self._secret(request.params.get("SecretId") or request.params.get("Name", ""), request.region)
            self._demand(principal, request.action, secret)
            if request.action == "PutSecretValue" and secret.known is not None and secret.known.is_deleted():
                raise AwsError("InvalidRequestException", _DELETED)
            return self._by_moto(request)

    def _batch(self, principal: Principal, request: Request) -> Answer:
        self.iam.demand(principal, "secretsmanager:BatchGetSecretValue", "*")
        if request.params.get("Filters"):
            raise NotImplementedError("the stand-in reads batches by their ids only")
        ids = request.params.get("SecretIdList", [])
        start = int(request.params.get("NextToken", "0"))
        end = start + (self.page or len(ids))
        answer: dict[str, Any] = {"SecretValues": [], "Errors": []}
        for secret_id in ids[start:end]:
            try:
                answer["SecretValues"].append(self._value(principal, request, secret_id))
            except AwsError as e:
                answer["Errors"].append({"SecretId": secret_id, "ErrorCode": e.code, "Message": e.message})
        return json_answer(answer | ({"NextToken": str(end)} if end < len(ids) else {}))

    def _value(self, principal: Principal, request: Request, secret_id: str) -> dict[str, Any]:
        """As AWS answers for one secret, at the version that the request names."""
        secret = self._secret(secret_id, request.region)
        self._demand(principal, "GetSecretValue", secret)
        self._demand_decrypt(principal, secret)
        if secret.known is None:
            raise AwsError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        if secret.known.is_deleted():
            raise AwsError("InvalidRequestException", _DELETED)
        version = _version(secret.known.versions, request.params)
        answer = {"ARN": secret.arn, "Name": secret.known.name, "VersionId": version["version_id"]}
        held = {"SecretString": version.get("secret_string"), "SecretBinary": version.get("secret_binary")}
        return answer | {name: value for name, value in held.items() if value is not None}

    def _secret(self, secret_id: str, region: str) -> "_Secret":
        known = self.backend(region).secrets.get(secret_id)
        if known is not None:
            return _Secret(known.arn, {tag["Key"]: tag["Value"] for tag in known.tags or ()}, known.kms_key_id, known)
        arn = f"arn:aws:secretsmanager:{region}:{self.iam.account}:secret:{secret_id}-??????"
        return _Secret(secret_id if secret_id.startswith("arn:") else arn)

    def _demand(self, principal: Principal, action: str, secret: "_Secret") -> None:
        facts = {f"{who}:ResourceTag/{key}": value for key, value in secret.tags.items() for who in _TAG_FACTS}
        self.iam.demand(principal, f"secretsmanager:{action}", secret.arn, facts)

    def _demand_decrypt(self, principal: Principal, secret: "_Secret") -> None:
        if secret.kms_key is None or not secret.kms_key.startswith("arn:"):
            return  # the account's own key for Secrets Manager, open to whoever may read the secret
        service = f"secretsmanager.{secret.arn.split(':')[3]}.amazonaws.com"
        try:
            self.iam.demand(principal, "kms:Decrypt", secret.kms_key, {"kms:ViaService": service})
        except AwsError as e:
            raise AwsError("AccessDeniedException", "Access to KMS is not allowed") from e

    def _by_moto(self, request: Request) -> Answer:
        kept = ("authorization", "content-type", "x-amz-target", "host")
        headers = {name: request.headers[name] for name in kept} | {"x-moto-account-id": self.iam.account}
        got = self._moto.post("/", data=request.body, headers=headers)
        # Secrets Manager answers 400 where moto has a 404.
        status = 400 if got.status_code == 404 else got.status_code
        return Answer(status, got.data, {"Content-Type": "application/x-amz-json-1.1"})


@dataclass(frozen=True, slots=True)
class _Secret:
    arn: str
    tags: Mapping[str, str] = field(default_factory=dict)
    kms_key: str | None = None
    known: Any = None  # moto's own, None: there is none


def _has_region(region: str) -> bool:
    return region in secretsmanager_backends["0" * 12].regions or allow_unknown_region()


_DELETED = "You can't perform this operation on the secret because it was marked for deletion."
_TAG_FACTS = ("aws", "secretsmanager")


def _version(versions: Mapping[str, dict[str, Any]], params: Mapping[str, Any]) -> dict[str, Any]:
    cannot = "Secrets Manager can't find the specified secret value for"
    if version_id := params.get("VersionId"):
        if version_id not in versions:
            raise AwsError("ResourceNotFoundException", f"{cannot} VersionId: {version_id}")
        return versions[version_id]
    stage = params.get("VersionStage", "AWSCURRENT")
    for version in versions.values():
        if stage in version["version_stages"]:
            return version
    raise AwsError("ResourceNotFoundException", f"{cannot} staging label: {stage}")


def _listed(answer: Answer) -> Answer:
    """Versions that no label is on are not listed by AWS."""
    content = answer.json()
    for line in content.get("SecretList", []):
        staged = line.get("SecretVersionsToStages", {})
        line["SecretVersionsToStages"] = {version: stages for version, stages in staged.items() if stages}
    return answer.with_json(content)


def _within_limits(request: Request) -> None:
    for check in _LIMITS:
        check(request)


def _page_size(request: Request) -> None:
    most = _MOST.get(request.action)
    if most is not None and not 1 <= request.params.get("MaxResults", 1) <= most:
        raise AwsError("ValidationException", _constraint("maxResults", f"have value less than or equal to {most}"))


def _batch_size(request: Request) -> None:
    if request.action != "BatchGetSecretValue":
        return
    ids = request.params.get("SecretIdList")
    if ids is not None and not 1 <= len(ids) <= 20:
        raise AwsError("ValidationException", _constraint("secretIdList", "have length less than or equal to 20"))
    if (ids is None) == (not request.params.get("Filters")):
        raise AwsError(
            "InvalidParameterException", "Either 'SecretIdList' or 'Filters' must be provided, but not both."
        )
    if ids is not None and "MaxResults" in request.params:
        raise AwsError("InvalidParameterException", "'Filters' must be specified when 'MaxResults' is provided.")


def _ids(request: Request) -> None:
    for secret_id in [*request.params.get("SecretIdList", []), request.params.get("SecretId", "x")]:
        if not secret_id.startswith("arn:") and not _NAME.fullmatch(secret_id):
            raise AwsError(
                "ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters."
            )


def _filters(request: Request) -> None:
    for each in request.params.get("Filters", []):
        for value in each["Values"]:
            if not _FILTER.fullmatch(value):
                raise AwsError("ValidationException", _constraint("filters", "satisfy regular expression pattern"))


def _written(request: Request) -> None:
    if request.action not in _WRITES:
        return
    if request.action == "CreateSecret" and not _NAME.fullmatch(request.params["Name"]):
        raise AwsError("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters.")
    text = request.params.get("SecretString", "")
    binary = base64.b64decode(request.params.get("SecretBinary", ""))
    if len(text.encode()) > 65536 or len(binary) > 65536:
        raise AwsError("ValidationException", _constraint("secretString", "have length less than or equal to 65536"))


def _constraint(field_name: str, rule: str) -> str:
    return f"1 validation error detected: Value at '{field_name}' failed to satisfy constraint: Member must {rule}"


_LIMITS: tuple[Callable[[Request], None], ...] = (_page_size, _batch_size, _ids, _filters, _written)
