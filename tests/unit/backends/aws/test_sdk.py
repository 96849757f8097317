import subprocess
import sys
from pathlib import Path

import pytest

from keyferry.api.providers.aws import Aws
from keyferry.backends import aws
from keyferry.backends.aws import create, sdk
from keyferry.backends.aws.place import Place
from keyferry.backends.route import Route
from keyferry.errors import SpecInvalid
from tests.contract.context import context

HEAVY = ("boto3", "botocore")


@pytest.fixture
def without_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that AWS's SDK is not installed in."""
    for name in ("sdk", "auth", "ambient", "sts", "connection"):
        monkeypatch.delitem(sys.modules, f"keyferry.backends.aws.{name}", raising=False)
        monkeypatch.delattr(aws, name, raising=False)
    for name in ("botocore", *[name for name in sys.modules if name.startswith("botocore.")]):
        monkeypatch.setitem(sys.modules, name, None)


def test_importing_the_backend_imports_no_sdk():
    lines = "import sys, keyferry.backends.aws as aws", f"print([n for n in {HEAVY!r} if n in sys.modules])"
    path = str(Path(__file__).parents[4] / "operator")
    got = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert got.stdout.strip() == "[]"


async def test_without_the_sdk_the_extra_is_named(without_sdk: None):
    with pytest.raises(SpecInvalid, match=r"install keyferry\[aws\]"):
        await create(Aws(region="eu-west-1"), context()).check()


def test_regions_of_all_partitions_are_known():
    assert {"eu-west-1", "us-gov-west-1", "cn-north-1"} <= sdk.regions()


def test_one_copy_of_the_services_descriptions_serves_all_stores():
    """Each session would load its own 8 MB."""
    sessions = [sdk._session(files=files) for files in (True, False, False)]
    assert len({id(session.get_component("data_loader")) for session in sessions}) == 1


def test_a_client_calls_once_within_the_stores_timeout():
    client = sdk.Clients(Place("eu-west-1", None, None), 10, 3, files=False, route=Route()).sts(None)
    config = vars(client.meta.config)["_user_provided_options"]
    assert (config["connect_timeout"], config["read_timeout"], config["max_pool_connections"]) == (9.0, 9.0, 3)
    assert config["retries"]["total_max_attempts"] == 1
    client.close()


def test_the_sdks_own_address_is_regional():
    client = sdk.Clients(Place("eu-west-1", None, None), 10, 3, files=False, route=Route()).sts(None)
    assert sdk.host(client) == "sts.eu-west-1.amazonaws.com"
    client.close()


def test_of_the_addresses_of_all_services_only_ours_are_kept():
    found = sdk._loader().load_data("endpoints")
    kept = [set(partition["services"]) for partition in found["partitions"]]
    assert set.union(*kept) == {"secretsmanager", "sqs", "sts"}
    assert {"eu-west-1", "us-gov-west-1", "cn-north-1"} <= sdk.regions()
