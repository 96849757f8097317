"""What the operator is told at its start, and what follows from it."""

import pytest

from keyferry.settings import Settings


@pytest.mark.parametrize(
    "url",
    [
        "https://secretsmanager.eu-west-1.amazonaws.com",
        "https://sts.amazonaws.com/",
        "https://sqs.eu-west-1.amazonaws.com",
        "https://sqs.cn-north-1.amazonaws.com.cn",
        "https://sqs-fips.us-gov-west-1.amazonaws.com",
        "https://vpce-0a1b-2c3d.sqs.eu-west-1.vpce.amazonaws.com",
    ],
)
def test_a_tenant_may_name_the_addresses_of_awss_services(url: str):
    assert Settings().endpoint_allowed(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://sqs.eu-west-1.amazonaws.com",
        "https://sqs.eu-west-1.amazonaws.com.evil.example",
        "https://sqs.eu-west-1.amazonaws.com:8443",
        "https://evil-sqs.eu-west-1.amazonaws.com",
        "https://sqs.s3.eu-west-1.amazonaws.com",
        "https://queue.amazonaws.com",
        "https://ec2-1-2-3-4.eu-west-1.compute.amazonaws.com",
        "https://vpce-0a1b.vpce-svc-2c3d.eu-west-1.vpce.amazonaws.com",
        "http://169.254.169.254",
    ],
)
def test_a_tenant_may_name_no_address_beyond_them(url: str):
    assert not Settings().endpoint_allowed(url)


def test_what_the_operator_is_started_with_is_allowed_as_well():
    assert Settings(allow_endpoints=("http://127.0.0.1:*",)).endpoint_allowed("http://127.0.0.1:4566/")
