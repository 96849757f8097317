"""`keyferry check` of stores that log in by a ServiceAccount: it says what the operator would say."""

from typing import Any

import pytest

from keyferry.api.providers import Provider
from keyferry.api.providers.references import ServiceAccountRef
from keyferry.backends.base import Access, Backend, Context
from tests.unit.cli.conftest import Cli
from tests.unit.cli.test_check import checked, store, without_cluster

AT = "/api/v1/namespaces/payments/serviceaccounts/reader"


class ByToken:
    """A backend that a ServiceAccount's token logs in to."""

    def __init__(self, context: Context) -> None:
        self.cluster = context.cluster

    async def check(self) -> Access:
        token = await self.cluster.token(ServiceAccountRef(name="reader"), "vault")
        assert token.text == "t"
        return Access(listing=False)

    async def aclose(self) -> None:
        return None


@pytest.fixture
def by_token(cli: Cli) -> Cli:
    def create(_: Provider, context: Context) -> Backend:
        return ByToken(context)  # type: ignore[return-value] # no more is asked

    cli.create = create
    return cli


def account(allows: str = "") -> Any:
    annotations = {"keyferry.dev/allow-tokens-for": allows} if allows else {}
    metadata = {"name": "reader", "namespace": "payments", "annotations": annotations}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def test_a_token_is_asked_for_where_the_account_of_the_cluster_allows_it(by_token: Cli):
    by_token.kube.objects[AT] = account("vault")
    assert "Ready" in checked(by_token, store()).stdout
    assert by_token.kube.sent == [f"POST {AT}/token"]


def test_where_it_does_not_the_command_is_told_and_no_token_asked_for(by_token: Cli):
    by_token.kube.objects[AT] = account()
    said = checked(by_token, store(), code=1).stdout
    assert "SecretStore payments/team: TokenNotAllowed" in said
    assert "kubectl annotate serviceaccount reader --namespace payments keyferry.dev/allow-tokens-for=vault" in said
    assert by_token.kube.sent == []


def test_what_the_account_in_the_files_allows_counts_as_if_it_were_applied(by_token: Cli):
    by_token.kube.objects[AT] = account()
    assert "Ready" in checked(by_token, account("vault"), store()).stdout
    assert "TokenNotAllowed" in checked(by_token, account("another"), store(), code=1).stdout


def test_an_account_in_the_files_that_says_nothing_of_it_takes_nothing_back(by_token: Cli):
    by_token.kube.objects[AT] = account("vault")
    assert "Ready" in checked(by_token, account(), store()).stdout


def test_a_token_is_asked_of_the_cluster_and_of_nobody_else(by_token: Cli):
    without_cluster(by_token)
    said = checked(by_token, account("vault"), store(), code=1).stdout
    assert "serviceaccounts/token payments/reader is to be asked for, and no API server is configured" in said


def test_a_command_with_a_store_that_is_applied_obeys_too(by_token: Cli):
    by_token.kube.objects[AT] = account()
    result = by_token.called("check", "--store=team", "-npayments")
    assert result.exit_code == 1
    assert "TokenNotAllowed" in result.stdout
    assert by_token.kube.sent == []
