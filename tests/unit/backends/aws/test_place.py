import pytest

from keyferry.api.providers.aws import Aws
from keyferry.backends.aws.place import Place, QueuePlace, place_of, queue_of
from keyferry.errors import SpecInvalid

KNOWN = {"eu-west-1", "eu-west-2", "us-east-1", "cn-north-1"}


def place(ambient: str | None = None, *, allowed: bool = True, **spec: str) -> Place:
    return place_of(Aws(**spec), ambient_region=ambient, known=KNOWN, allowed=lambda _: allowed)


def said(ambient: str | None = None, *, allowed: bool = True, **spec: str) -> str:
    with pytest.raises(SpecInvalid) as failure:
        place(ambient, allowed=allowed, **spec)
    return str(failure.value)


def test_the_spec_comes_before_the_environment():
    assert place("us-east-1", region="eu-west-1") == Place("eu-west-1", None, None)


def test_the_environment_serves_where_the_spec_is_silent():
    assert place("us-east-1").region == "us-east-1"


def test_no_region_at_all_is_told_with_what_to_write():
    assert said().startswith("spec.provider.aws.region: write the region, such as eu-west-1")


@pytest.mark.parametrize("region", ["eu-wset-1", "eu-west-11", "europe-west-1"])
def test_an_unknown_region_is_told_with_what_may_be_meant(region: str):
    assert f"knows no region {region}; did you mean eu-west-1" in said(region=region)


def test_where_nothing_is_close_nothing_is_guessed():
    assert "did you mean" not in said(region="qqq-xyzzy-77")


def test_an_endpoint_lets_an_unknown_region_pass():
    assert place(region="mars-north-1", endpoint="https://sm.example").region == "mars-north-1"


@pytest.mark.parametrize(
    "url",
    ["https://sm.example", "http://127.0.0.1:4566/", "https://[::1]:8443", "https://vpce-1.eu.vpce.amazonaws.com"],
)
def test_an_address_is_taken_as_it_stands(url: str):
    assert place(region="eu-west-1", endpoint=url).endpoint == url


@pytest.mark.parametrize("url", ["https://a..b", "https://-a", "https://[::1", "https://host:port", "https://h:99999"])
def test_what_is_no_address_is_told_by_its_field(url: str):
    assert said(region="eu-west-1", endpoint=url).startswith(f"spec.provider.aws.endpoint: {url} is no address")


@pytest.mark.parametrize(("name", "field"), [("endpoint", "endpoint"), ("sts_endpoint", "stsEndpoint")])
def test_an_address_that_is_not_allowed_is_told_with_the_flag(name: str, field: str):
    text = said(allowed=False, region="eu-west-1", **{name: "https://evil.example"})
    assert text.startswith(f"spec.provider.aws.{field}: ")
    assert text.endswith("--allow-endpoint=https://evil.example")


def queue(address: str, *, allowed: bool = True) -> QueuePlace:
    return queue_of(f"{address}/111122223333/changes", region="eu-west-1", allowed=lambda _: allowed)


@pytest.mark.parametrize(
    ("address", "region", "endpoint"),
    [
        ("https://sqs.us-east-1.amazonaws.com", "us-east-1", None),
        ("https://sqs.cn-north-1.amazonaws.com.cn", "cn-north-1", None),
        ("https://sqs-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1", "given"),
        ("https://vpce-1-2.sqs.us-east-1.vpce.amazonaws.com", "us-east-1", "given"),
        ("http://127.0.0.1:4566", "eu-west-1", "given"),
        ("https://sqs.us-east-1.amazonaws.com.evil.example", "eu-west-1", "given"),
    ],
)
def test_a_queue_is_in_the_region_that_its_url_names_or_else_in_the_stores(
    address: str, region: str, endpoint: str | None
):
    found = queue(address)
    assert (found.region, found.endpoint) == (region, endpoint and address)


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_a_queue_is_called_as_iam_policies_call_it(region: str, partition: str):
    arn = queue(f"https://sqs.{region}.amazonaws.com").arn
    assert arn == f"arn:{partition}:sqs:{region}:111122223333:changes"


def test_a_queue_at_an_address_that_is_not_allowed_is_told_with_the_flag():
    with pytest.raises(SpecInvalid) as failure:
        queue("https://evil.example", allowed=False)
    text = str(failure.value)
    assert text.startswith("spec.provider.aws.events.sqs.queueUrl: this store may not send requests to")
    assert text.endswith("--allow-endpoint=https://evil.example")
