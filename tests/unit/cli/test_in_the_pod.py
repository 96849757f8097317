"""The operator's own rights, which a command has in its pod, are enough: they let it list stores, and not get one."""

from dataclasses import dataclass

import pytest

from keyferry.kube.client import At, Json, path
from keyferry.kube.errors import Forbidden, NotFound
from tests.unit.cli.conftest import Cli, FakeKube

MAY_GET = ("/secrets/", "/configmaps/")  # docs/rights.md


@dataclass
class OperatorsRights(FakeKube):
    """The API server's answers to the operator."""

    async def get(self, at: At, **query: str) -> Json:
        if not any(kind in at.url for kind in MAY_GET):
            raise Forbidden(f"the API server answered 403 Forbidden to GET {at.what}")
        return await super().get(at, **query)

    async def one(self, api: str, resource: str, namespace: str, name: str) -> Json:
        try:
            return self.objects[path(api, resource, namespace, name).url]
        except KeyError:
            raise NotFound(f"there is no {resource} {namespace}/{name}") from None


@pytest.fixture
def pod(cli: Cli) -> Cli:
    cli.kube = OperatorsRights(cli.kube.objects)
    return cli


def test_a_value_is_put_into_a_namespaces_store(pod: Cli):
    pod.done("put db", stdin=b"v")
    assert pod.held("db") == b"v"


def test_a_value_is_put_into_a_shared_store_for_which_the_namespace_is_looked_at(pod: Cli):
    pod.cluster_store(mapping={"by": "Paths"})
    pod.done("put db", stdin=b"v", store="--cluster-store shared -n payments")
    assert pod.held("payments/db") == b"v"


def test_a_store_that_is_not_there_is_told(pod: Cli):
    result = pod.run("put db", stdin=b"v", store="--store other -n payments")
    assert result.exit_code == 1
    assert "there is no SecretStore payments/other" in result.stderr
