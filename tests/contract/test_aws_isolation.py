"""What a tenant's store must not reach: the operator's own credentials, files and commands."""

from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from keyferry.errors import SpecInvalid
from keyferry.values import Ref, Value
from tests.contract.aws_stores import access_key, holding, store
from tests.contract.context import SeededCluster
from tests.standins.aws import AwsStandIn
from tests.standins.pod_identity import PodIdentityAgent

AMBIENT: list[dict[str, Any] | None] = [None, {"ambient": {}}, {"podIdentity": {}}]
STS = {"assumeRole": {"roleArn": "arn:aws:iam::111122223333:role/r"}}


@pytest.fixture
def rich_environment(
    aws: AwsStandIn, bare_environment: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[pytest.MonkeyPatch, Path]:
    """An operator that has credentials in every way there is, and a mark that shows when its files were followed."""
    mark = tmp_path / "mark"
    command = f"touch {mark}"
    keys = f"aws_access_key_id={aws.admin.id}\naws_secret_access_key={aws.admin.secret}\n"
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(f"[default]\n{keys}[ops]\n{keys}")
    (tmp_path / ".aws" / "config").write_text(f"[default]\ncredential_process = {command}\nregion = us-west-2\n")
    bare_environment.setenv("AWS_PROFILE", "ops")
    bare_environment.setenv("AWS_ACCESS_KEY_ID", aws.admin.id)
    bare_environment.setenv("AWS_SECRET_ACCESS_KEY", aws.admin.secret)
    bare_environment.setenv("AWS_REGION", aws.region)
    return bare_environment, mark


async def only_answer(backend: Any) -> object:
    async with aclosing(backend):
        return (await backend.fetch([Ref("db")]))[Ref("db")]


@pytest.mark.parametrize("auth", AMBIENT, ids=str)
@pytest.mark.parametrize("more", [{}, STS], ids=["alone", "with a role on top"])
async def test_the_operators_own_credentials_are_refused_to_a_tenant(
    aws: AwsStandIn, rich_environment: object, auth: dict[str, Any] | None, more: dict[str, Any]
):
    aws.put("db", "v")
    answer = await only_answer(store(aws, (auth or {"assumeRole": None}) | more))
    assert isinstance(answer, SpecInvalid)
    assert "--allow-ambient-in-namespaces" in str(answer)
    assert aws.calls.count() == 0


async def test_pod_identity_is_refused_to_a_tenant_before_it_is_asked(
    aws: AwsStandIn, bare_environment: pytest.MonkeyPatch, tmp_path: Path
):
    with PodIdentityAgent(aws.sts, aws.sts.role("operator"), tmp_path / "token") as agent:
        for name, value in agent.environment.items():
            bare_environment.setenv(name, value)
        assert isinstance(await only_answer(store(aws, {"podIdentity": {}})), SpecInvalid)
        assert agent.asked == 0


async def test_a_tenants_key_is_used_alone_and_no_file_of_the_operator_is_followed(
    aws: AwsStandIn, rich_environment: tuple[pytest.MonkeyPatch, Path]
):
    aws.put("db", "v")
    key = aws.iam.user("tenant")
    assert isinstance(await only_answer(store(aws, key=key)), Value)
    assert {call.key_id for call in aws.calls.all()} == {key.id}
    assert not rich_environment[1].exists()


async def test_a_profile_that_the_operator_lacks_does_not_hurt_a_tenant(
    aws: AwsStandIn, bare_environment: pytest.MonkeyPatch
):
    aws.put("db", "v")
    bare_environment.setenv("AWS_PROFILE", "nowhere")
    assert isinstance(await only_answer(store(aws)), Value)


async def test_a_tenant_gets_no_region_of_the_operators(
    aws: AwsStandIn, rich_environment: tuple[pytest.MonkeyPatch, Path]
):
    answer = await only_answer(store(aws, spec={"region": None}))
    assert isinstance(answer, SpecInvalid)
    assert str(answer).startswith("spec.provider.aws.region: write the region")


async def test_a_cluster_store_may_take_the_operators_region(
    aws: AwsStandIn, rich_environment: tuple[pytest.MonkeyPatch, Path]
):
    aws.put("db", "v")
    rich_environment[0].delenv("AWS_PROFILE")
    rich_environment[0].setenv("AWS_CONFIG_FILE", "/dev/null")
    assert isinstance(await only_answer(store(aws, spec={"region": None}, ambient=True)), Value)


@pytest.mark.parametrize(
    "line",
    [
        "credential_process = touch {mark}",
        "source_profile = default",
        "role_arn = arn:aws:iam::111122223333:role/r",
        "web_identity_token_file = {mark}",
        "sso_session = x",
        "sso_start_url = https://x",
        "credential_source = Environment",
        "ca_bundle = {mark}",
        "endpoint_url = http://127.0.0.1:1",
        "region = eu-west-1",
        "anything = else",
    ],
    ids=lambda line: line.partition(" ")[0],
)
async def test_no_directive_of_a_credentials_file_is_followed(
    aws: AwsStandIn, rich_environment: tuple[pytest.MonkeyPatch, Path], line: str
):
    _, mark = rich_environment
    keys = f"aws_access_key_id={aws.admin.id}\naws_secret_access_key={aws.admin.secret}\n"
    text = f"[default]\n{keys}{line.format(mark=mark)}\n"
    auth = {"sharedCredentials": {"secretRef": {"name": "file", "key": "c"}}}
    answer = await only_answer(store(aws, auth, cluster=SeededCluster({"file": {"c": text.encode()}})))
    assert isinstance(answer, SpecInvalid)
    assert f"Secret payments/file, key c, profile default: {line.partition(' ')[0]} is not taken from there" in str(
        answer
    )
    assert not mark.exists()
    assert aws.calls.count() == 0


@pytest.mark.parametrize("field", ["endpoint", "stsEndpoint"])
async def test_a_tenant_sends_nothing_to_an_address_that_is_not_allowed(aws: AwsStandIn, field: str):
    refused = "http://127.0.0.1:1"
    auth = access_key(aws.admin) | STS
    backend = store(
        aws, auth, spec={field: refused}, endpoint_allowed=lambda url: url != refused, cluster=holding(aws.admin)
    )
    answer = await only_answer(backend)
    assert isinstance(answer, SpecInvalid)
    assert str(answer).startswith(f"spec.provider.aws.{field}: ")
    assert f"--allow-endpoint={refused}" in str(answer)
    assert aws.calls.count() == 0


async def test_the_operators_own_endpoint_variable_applies_to_everybody(
    aws: AwsStandIn, bare_environment: pytest.MonkeyPatch
):
    aws.put("db", "v")
    bare_environment.setenv("AWS_ENDPOINT_URL", aws.url)
    backend = store(aws, spec={"endpoint": None, "stsEndpoint": None}, endpoint_allowed=lambda _: False)
    assert isinstance(await only_answer(backend), Value)


async def test_a_region_that_does_not_exist_is_told_with_what_was_meant(aws: AwsStandIn):
    answer = await only_answer(store(aws, spec={"endpoint": None, "region": "eu-wset-1"}))
    assert isinstance(answer, SpecInvalid)
    assert "knows no region eu-wset-1; did you mean eu-west-1" in str(answer)
    assert "spec.provider.aws.endpoint" in str(answer)


async def test_a_region_newer_than_the_sdk_works_with_an_endpoint(bare_environment: pytest.MonkeyPatch):
    bare_environment.setenv("MOTO_ALLOW_NONEXISTENT_REGION", "true")
    with AwsStandIn(region="xx-new-1") as aws:
        aws.put("db", "v")
        assert isinstance(await only_answer(store(aws)), Value)


async def test_a_store_reads_from_its_own_region_only(aws: AwsStandIn):
    aws.put("db", "v")
    answer = await only_answer(store(aws, spec={"region": "us-east-1"}))
    assert str(answer) == "Secrets Manager has no secret db in the store's account and region"
