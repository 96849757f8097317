"""From the previous version of the chart to this one, with no value changed: no Secret notices."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.place import NAMESPACE, Place
from tests.e2e.tenant import FIRST, Kept, Tenant
from tests.e2e.version import CURRENT, Version, schema_of

pytestmark = pytest.mark.timeout(3600)  # on kind images are built, and pods start; here each command has its own limit

LEASE = "keyferry-shard-0-of-1"


@dataclass(frozen=True, slots=True)
class Stage:
    """A tenant, and how everything was at one moment."""

    tenant: Tenant
    secrets: dict[str, Kept]
    conditions: dict[str, Any]
    lease: dict[str, Any]


def stage(tenant: Tenant) -> Stage:
    lease = tenant.place.read("lease", LEASE, f"--namespace={NAMESPACE}")
    return Stage(tenant, tenant.kept(), tenant.conditions(), lease)


def schemas(place: Place) -> dict[str, dict[str, object]]:
    """Of the CRDs as the API server has them."""
    crds = [each for each in place.read("crds")["items"] if each["spec"]["group"] == "keyferry.dev"]
    return {crd["metadata"]["name"]: schema_of(crd) for crd in crds}


@pytest.fixture(scope="module")
def before(place: Place, former: Version) -> Iterator[Stage]:
    """The previous version is installed, and all that a tenant declared of it is in sync."""
    tenant = Tenant(place, shared=True)
    tenant.move_in()
    place.install(former, {"persistence": {"enabled": True}})
    tenant.set_up()
    tenant.declare()
    assert schemas(place) == former.schemas()
    yield stage(tenant)
    tenant.move_out()


@pytest.fixture(scope="module")
def after(before: Stage) -> Stage:
    """This version is, and has looked at everything."""
    tenant = before.tenant
    tenant.place.upgrade(CURRENT)
    tenant.put("clock", "1")
    tenant.holds("clock", "value", "1")
    return stage(tenant)


def test_it_is_an_upgrade_of_the_chart_and_of_its_crds(former: Version):
    assert former.number != CURRENT.number
    assert former.schemas() != CURRENT.schemas()


def test_no_secret_changes(before: Stage, after: Stage):
    assert len(before.secrets) == 14
    assert after.secrets == before.secrets


def test_every_status_is_as_true_as_before(before: Stage, after: Stage):
    assert after.conditions == before.conditions
    assert {each["reason"] for said in after.conditions.values() for each in said if each["type"] == "Ready"} == {
        "Synced",
        "Ready",
    }


def test_the_crds_are_the_new_ones(after: Stage):
    assert schemas(after.tenant.place) == CURRENT.schemas()


def test_the_former_operators_lease_is_taken_over(before: Stage, after: Stage):
    assert after.lease["metadata"]["uid"] == before.lease["metadata"]["uid"]
    holders = [each.lease["spec"]["holderIdentity"] for each in (before, after)]
    assert all(holders)
    assert holders[0] != holders[1]


def test_a_second_look_at_every_value_changes_no_secret(after: Stage):
    after.tenant.looked_at("after-the-upgrade")
    assert after.tenant.kept() == after.secrets


def test_new_values_arrive_from_every_store(after: Stage):
    tenant = after.tenant
    tenant.put("api-a", "second")
    tenant.put("db", FIRST["db"].replace("first", "second"))
    tenant.put_into_sqlite("license", "second")
    for name in ("defaults", "deleted", "merged", "orphan", "other", "shared", "sqlite"):
        tenant.holds(name, "value", "second")
    tenant.holds("typed", "username", "second")
    tenant.holds("found", "api-a", '{"value":"second"}')


def test_it_is_uninstalled_and_everything_stays(after: Stage):
    tenant, place = after.tenant, after.tenant.place
    crds, kept, said = schemas(place), tenant.kept(), tenant.conditions()

    place.uninstall()

    assert (
        place.read(
            "deployments,serviceaccounts", f"--namespace={NAMESPACE}", "--selector=app.kubernetes.io/name=keyferry"
        )["items"]
        == []
    )
    assert schemas(place) == crds
    assert tenant.kept() == kept
    assert tenant.conditions() == said
