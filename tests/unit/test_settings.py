"""What the operator is told at its start."""

import pytest

from keyferry.cli import run
from keyferry.settings import Settings

VAULT = "https://vault.example.com"


@pytest.mark.parametrize(
    ("pattern", "url", "allowed"),
    [
        (VAULT, VAULT, True),
        (f"{VAULT}/", VAULT, True),
        (f"{VAULT}/*", VAULT, True),
        (f"{VAULT}/*", f"{VAULT}/", True),
        (f"{VAULT}/*", f"{VAULT}:8200", False),
        (f"{VAULT}/*", f"{VAULT}.evil.example.org", False),
        ("https://*.example.com:8200/*", f"{VAULT}:8200", True),
        ("https://*", VAULT, True),
        ("https://*/*", VAULT, True),
        ("https://*/", "http://vault.example.com", False),
        ("http://127.0.0.1:*", "http://127.0.0.1:4566", True),
    ],
)
def test_an_endpoint_is_allowed_by_its_address_whatever_path_the_pattern_has(pattern: str, url: str, *, allowed: bool):
    assert Settings(allow_endpoints=(pattern,)).endpoint_allowed(url) is allowed


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://secretsmanager.eu-west-1.amazonaws.com", True),
        ("https://sts.amazonaws.com", True),
        ("https://vpce-0a-1b.secretsmanager.eu-west-1.vpce.amazonaws.com", True),
        ("https://ec2-1-2-3-4.eu-west-1.compute.amazonaws.com", False),
        ("https://bucket.s3.amazonaws.com", False),
        ("http://169.254.169.254", False),
    ],
)
def test_of_aws_only_its_own_hosts_of_these_services_are_allowed(url: str, *, allowed: bool):
    assert Settings().endpoint_allowed(url) is allowed


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("10.0.0.1:8090", "10.0.0.1:8090"),
        ("fd00::1:8090", "[fd00::1]:8090"),
        ("[fd00::1]:8090", "[fd00::1]:8090"),
        ("::1:8090", "[::1]:8090"),
        ("keyferry.example:8090", "keyferry.example:8090"),
        ("", ""),
    ],
)
def test_an_address_of_ipv6_is_bracketed_as_a_url_needs_it(address: str, written: str):
    assert run._of_url(address) == written


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


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://0a1b2c.eu-central-1.aws.cloud.es.io:443", True),
        ("https://0a1b2c.us-east-1.aws.found.io:9243", True),
        ("https://0a1b2c.westeurope.azure.elastic-cloud.com", True),
        ("https://0a1b2c.psc.us-central1.gcp.cloud.es.io", True),
        ("https://project.es.us-east-1.aws.elastic.cloud", True),
        ("http://0a1b2c.eu-central-1.aws.cloud.es.io", False),
        ("https://0a1b2c.eu-central-1.aws.cloud.es.io:22", False),
        ("https://0a1b2c.eu-central-1.aws.cloud.es.io.evil.example", False),
        ("https://evil.example?.aws.cloud.es.io", False),
        ("https://aws.cloud.es.io", False),
        ("https://es.example:9200", False),
    ],
)
def test_of_elastic_only_deployments_in_its_cloud_are_allowed(url: str, *, allowed: bool):
    assert Settings().endpoint_allowed(url) is allowed


def test_what_the_operator_is_started_with_is_allowed_as_well():
    assert Settings(allow_endpoints=("http://127.0.0.1:*",)).endpoint_allowed("http://127.0.0.1:4566/")
