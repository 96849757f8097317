"""Tokens of ServiceAccounts: asked for where the account allows it for that audience, and not where it does not."""

import shlex

import pytest

from keyferry.api.providers.references import ServiceAccountRef
from keyferry.errors import CredentialsMissing, KubeUnavailable, TokenNotAllowed
from keyferry.kube.cluster import StoreCluster
from keyferry.kube.errors import Forbidden, NotFound
from keyferry.settings import TOKENS_ANNOTATION
from keyferry.values import StoreKey, Token
from tests.unit.fakes import FakeKube, Request

API_SERVER = "https://kubernetes.default.svc"
STORE = "SecretStore team/store"


def kube(allows: str | None = None) -> FakeKube:
    """With a ServiceAccount team/sa."""
    made = FakeKube()
    annotations = {} if allows is None else {TOKENS_ANNOTATION: allows}
    made.put("serviceaccounts", "sa", "team", metadata={"annotations": annotations})
    return made


async def asked(cluster: FakeKube, audience: str, name: str = "sa") -> Token:
    return await StoreCluster(cluster, StoreKey("team", "store")).token(ServiceAccountRef(name=name), audience)


async def refused(cluster: FakeKube, audience: str, name: str = "sa") -> str:
    """What is said, while no token was asked for."""
    with pytest.raises(CredentialsMissing) as told:
        await asked(cluster, audience, name)
    assert [each.method for each in cluster.requests] == ["GET"]
    return str(told.value)


@pytest.mark.parametrize("allows", ["vault", " vault ", "sts.amazonaws.com,vault", "infisical, vault,"])
async def test_a_token_is_asked_for_an_audience_that_the_account_names_and_not_shown(allows: str):
    cluster = kube(allows)
    token = await asked(cluster, "vault")
    looked, asking = cluster.requests
    assert (looked.method, looked.resource, looked.namespace, looked.name) == ("GET", "serviceaccounts", "team", "sa")
    assert (asking.resource, asking.namespace, asking.name) == ("serviceaccounts/token", "team", "sa")
    assert asking.body == {"spec": {"audiences": ["vault"], "expirationSeconds": 3600}}
    assert (token.text, "'t'" in repr(token)) == ("t", False)


async def test_one_for_the_api_server_is_asked_for_without_naming_it():
    cluster = kube(API_SERVER)
    await asked(cluster, "")
    assert "audiences" not in cluster.requests[-1].body["spec"]


@pytest.mark.parametrize("audience", ["vault", ""], ids=["named", "the API server's"])
@pytest.mark.parametrize("allows", [None, "", " , ", "true", "*", "vault-2", "Vault", "sts.amazonaws.com"])
async def test_no_other_is_asked_for(allows: str | None, audience: str):
    assert "ServiceAccount team/sa does not allow tokens for " in await refused(kube(allows), audience)


@pytest.mark.parametrize(
    ("allows", "audience", "command"),
    [
        (None, "vault", "team keyferry.dev/allow-tokens-for=vault"),
        (None, "", f"team keyferry.dev/allow-tokens-for={API_SERVER}"),
        (
            "sts.amazonaws.com, infisical",
            "vault",
            "--overwrite keyferry.dev/allow-tokens-for=sts.amazonaws.com,infisical,vault",
        ),
        ("", "vault", "--overwrite keyferry.dev/allow-tokens-for=vault"),
        ("$(reboot)", "a;b", "--overwrite 'keyferry.dev/allow-tokens-for=$(reboot),a;b'"),
    ],
)
async def test_it_is_told_by_which_command_the_account_would_allow_it(allows: str | None, audience: str, command: str):
    said = await refused(kube(allows), audience)
    assert said.startswith(f"{STORE}: ServiceAccount team/sa does not allow tokens for {audience or API_SERVER}.")
    assert said.endswith(command)


@pytest.mark.parametrize(("allows", "audience"), [(None, "vault"), ("sts.amazonaws.com", "vault"), ("a b", "")])
async def test_after_that_command_it_is_allowed(allows: str | None, audience: str):
    cluster = kube(allows)
    said = await refused(cluster, audience)
    name, _, value = shlex.split(said)[-1].partition("=")
    cluster.put("serviceaccounts", "sa", "team", metadata={"annotations": {name: value}})
    await asked(cluster, audience)


async def test_an_account_that_is_not_there_is_told_with_all_that_it_takes():
    said = await refused(kube("vault"), "vault", "other")
    assert said == (
        f"{STORE}: ServiceAccount team/other is not there. To make one that may log in here: "
        "kubectl create serviceaccount other --namespace team && "
        "kubectl annotate serviceaccount other --namespace team keyferry.dev/allow-tokens-for=vault"
    )


async def test_an_account_that_goes_meanwhile_is_told_likewise():
    cluster = kube("vault")

    def gone(request: Request) -> None:
        if request.method == "POST":
            raise NotFound("404")

    cluster.before = gone
    with pytest.raises(CredentialsMissing, match="ServiceAccount team/sa is not there") as told:
        await asked(cluster, "vault")
    assert not isinstance(told.value, TokenNotAllowed)


@pytest.mark.parametrize("failure", [Forbidden("403"), KubeUnavailable("none")], ids=["no right", "no answer"])
async def test_where_it_cannot_be_seen_whether_it_is_allowed_no_token_is_asked_for(failure: Exception):
    cluster = kube("vault")

    def fails(request: Request) -> None:
        assert request.method == "GET", "a token was asked for"
        raise failure

    cluster.before = fails
    with pytest.raises(type(failure)):
        await asked(cluster, "vault")
