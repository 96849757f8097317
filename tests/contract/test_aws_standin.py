"""The stand-in for AWS is as strict as AWS, as far as its documentation tells."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

from tests.standins.aws import AwsStandIn
from tests.standins.aws_iam import AccessKey


def client(aws: AwsStandIn, key: AccessKey | None = None, **more: Any) -> Any:
    key = key or aws.admin
    return boto3.client(
        "secretsmanager",
        endpoint_url=more.get("url", aws.url),
        region_name=more.get("region", aws.region),
        aws_access_key_id=key.id,
        aws_secret_access_key=key.secret,
        aws_session_token=key.token,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def sm(aws: AwsStandIn) -> Iterator[Any]:
    with closing(client(aws)) as made:
        yield made


def refusal(call: Any, **request: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as error:
        call(**request)
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("list_secrets", {"MaxResults": 101}, "ValidationException"),
        ("list_secrets", {"Filters": [{"Key": "tag-value", "Values": ["ä"]}]}, "ValidationException"),
        ("batch_get_secret_value", {"SecretIdList": ["x"] * 21}, "ValidationException"),
        ("batch_get_secret_value", {}, "InvalidParameterException"),
        ("batch_get_secret_value", {"SecretIdList": ["x"], "MaxResults": 5}, "InvalidParameterException"),
        ("batch_get_secret_value", {"SecretIdList": ["a b"]}, "ValidationException"),
        ("get_secret_value", {"SecretId": "a b"}, "ValidationException"),
        ("get_secret_value", {"SecretId": "nowhere"}, "ResourceNotFoundException"),
        ("create_secret", {"Name": "a b", "SecretString": "v"}, "ValidationException"),
        ("create_secret", {"Name": "a", "SecretString": "v" * 65537}, "ValidationException"),
        ("create_secret", {"Name": "a", "SecretBinary": b"v" * 65537}, "ValidationException"),
    ],
)
def test_its_limits_are_awss(sm: Any, operation: str, request_: dict[str, Any], code: str):
    assert refusal(getattr(sm, operation), **request_) == (code, 400)


def test_its_filters_match_beginnings_and_a_tags_key_apart_from_its_value(aws: AwsStandIn, sm: Any):
    aws.put("both", "v", {"team": "b"})
    aws.put("apart", "v", {"team": "a", "other": "bee"})
    aws.put("case", "v", {"Team": "b"})
    filters = [{"Key": "tag-key", "Values": ["tea"]}, {"Key": "tag-value", "Values": ["b"]}]
    listed = sm.list_secrets(Filters=filters)["SecretList"]
    assert [each["Name"] for each in listed] == ["both", "apart"]


def test_a_write_over_the_wire_is_read_back(sm: Any):
    sm.create_secret(Name="db", SecretString="old", Tags=[{"Key": "k", "Value": "v"}])
    sm.put_secret_value(SecretId="db", SecretString="new")
    assert sm.get_secret_value(SecretId="db", VersionStage="AWSPREVIOUS")["SecretString"] == "old"
    assert sm.batch_get_secret_value(SecretIdList=["db"])["SecretValues"][0]["SecretString"] == "new"


def test_a_version_that_nothing_labels_is_not_listed(aws: AwsStandIn, sm: Any):
    for value in ("one", "two", "three"):
        aws.put("db", value)
    staged = sm.list_secrets()["SecretList"][0]["SecretVersionsToStages"]
    assert sorted(map(str, staged.values())) == ["['AWSCURRENT']", "['AWSPREVIOUS']"]


def test_nothing_is_written_to_a_secret_on_its_way_out(aws: AwsStandIn, sm: Any):
    aws.put("db", "v")
    aws.delete("db", at_once=False)
    assert refusal(sm.put_secret_value, SecretId="db", SecretString="w") == ("InvalidRequestException", 400)
    aws.restore("db")
    assert sm.get_secret_value(SecretId="db")["SecretString"] == "v"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"id": "AKIANOBODY"}, "UnrecognizedClientException"),
        ({"secret": "wrong"}, "InvalidSignatureException"),
        ({"token": "stray"}, "UnrecognizedClientException"),
    ],
    ids=str,
)
def test_only_rightly_signed_requests_are_served(aws: AwsStandIn, change: dict[str, Any], code: str):
    with closing(client(aws, replace(aws.admin, **change))) as wrong:
        assert refusal(wrong.list_secrets)[0] == code


def test_a_session_whose_time_is_over_is_refused(aws: AwsStandIn):
    key = aws.sts.session(aws.sts.role("r", lifetime=-1), "s")
    with closing(client(aws, key)) as late:
        assert refusal(late.list_secrets)[0] == "ExpiredTokenException"


def test_a_region_has_its_own_secrets(aws: AwsStandIn):
    aws.put("db", "v")
    with closing(client(aws, region="us-east-1")) as elsewhere:
        assert elsewhere.list_secrets()["SecretList"] == []


def test_two_stand_ins_share_nothing(aws: AwsStandIn):
    aws.put("db", "v")
    with AwsStandIn() as other, closing(client(other)) as elsewhere:
        assert elsewhere.list_secrets()["SecretList"] == []


def test_it_goes_and_comes_back_on_its_port_with_what_it_had(aws: AwsStandIn, sm: Any):
    aws.put("db", "v")
    sm.list_secrets()
    aws.down()
    with pytest.raises(EndpointConnectionError):
        sm.list_secrets()
    aws.up()
    assert [each["Name"] for each in sm.list_secrets()["SecretList"]] == ["db"]


def test_it_counts_what_it_is_asked(aws: AwsStandIn, sm: Any):
    sm.list_secrets()
    sm.batch_get_secret_value(SecretIdList=["a", "b"])
    assert aws.calls.counts() == {"ListSecrets": 1, "BatchGetSecretValue": 1}
    assert aws.calls.all("BatchGetSecretValue")[0].ids == ["a", "b"]


def test_it_serves_as_a_process_of_its_own():
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.standins.aws", "--port", "0"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert '"url": "http://127.0.0.1:' in process.stdout.readline()
        finally:
            process.terminate()
        assert process.wait(10) == 0
