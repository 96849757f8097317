"""Installed by helm for the whole cluster or for some namespaces, and used: values come, follow, and stay."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.mode import Mode
from tests.e2e.place import NAMESPACE, CommandFailed, Place
from tests.e2e.tenant import Tenant
from tests.e2e.version import CURRENT

pytestmark = pytest.mark.timeout(3600)  # on kind images are built, and pods start; here each command has its own limit


def values(tenant: Tenant) -> dict[str, Any]:
    """What the platform team tells the chart."""
    only = {} if tenant.shared else {"namespaces": [tenant.namespace]}
    return {"persistence": {"enabled": True}, **only}


@pytest.fixture(scope="module", params=list(Mode), ids=str)
def tenant(request: pytest.FixtureRequest, place: Place) -> Iterator[Tenant]:
    """Whose operator is installed in this mode, and whose ExternalSecrets are in sync. At the end both are gone."""
    made = Tenant(place, shared=request.param is Mode.CLUSTER)
    made.move_in()
    place.install(CURRENT, values(made))
    made.set_up()
    made.declare()
    yield made
    made.move_out()


def test_every_secret_is_there(tenant: Tenant):
    tenant.holds("plain", "value", "a")
    tenant.holds("extracted", "value", '{"user": "shop", "password": "first"}')
    tenant.holds("merged", "own", "theirs")
    tenant.holds("sqlite", "value", "first")


def test_new_values_arrive_from_every_store(tenant: Tenant):
    tenant.put("api-b", "second")
    tenant.put_into_sqlite("license", "second")
    tenant.holds("found", "api-b", '{"value":"second"}')
    tenant.holds("sqlite", "value", "second")


def test_a_secret_that_is_edited_or_deleted_is_as_it_was(tenant: Tenant):
    where = f"--namespace={tenant.namespace}"
    tenant.place.kubectl("patch", "secret", "plain", where, '--patch={"stringData": {"value": "by hand"}}')
    tenant.holds("plain", "value", "a")
    tenant.place.kubectl("delete", "secret", "plain", where)
    tenant.holds("plain", "value", "a")


def test_its_rights_are_those_of_its_mode_and_no_more(tenant: Tenant):
    def may(*asked: str) -> bool:
        try:
            tenant.place.kubectl("auth", "can-i", *asked, f"--as=system:serviceaccount:{NAMESPACE}:keyferry")
        except CommandFailed:
            return False
        return True

    assert may("list", "secrets", f"--namespace={tenant.namespace}")
    assert may("list", "secrets", f"--namespace={tenant.source}") is tenant.shared
    assert may("list", "clustersecretstores.keyferry.dev") is tenant.shared
    assert not may("create", "pods", f"--namespace={tenant.namespace}")


def test_it_is_uninstalled_and_everything_stays_and_installed_anew_it_finds_all_as_it_was(tenant: Tenant):
    kept, said = tenant.kept(), tenant.conditions()
    tenant.place.uninstall()
    assert tenant.kept() == kept
    assert tenant.conditions() == said

    tenant.place.install(CURRENT, values(tenant))
    tenant.put("clock", "1")
    tenant.holds("clock", "value", "1")
    assert tenant.kept() == kept
    assert tenant.conditions() == said
    tenant.place.uninstall()
