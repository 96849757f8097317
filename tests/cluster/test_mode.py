"""A shared store in each mode, which tests have no twin, and who runs which."""

import pytest

from tests.cluster.manifests import external_secret, shared_store
from tests.cluster.mode import Mode, SharedStore
from tests.workers import scope_of

REFERENCE = {"name": "login", "namespace": "team", "key": "id"}
PROVIDER = {"aws": {"region": "eu-west-1", "auth": {"accessKey": {"accessKeyIdSecretRef": REFERENCE}}}}


def test_in_cluster_mode_it_is_a_cluster_secret_store():
    store = SharedStore(Mode.CLUSTER, "team", "aws")

    made = shared_store(store, PROVIDER, prefix="acme")

    assert made["kind"] == "ClusterSecretStore"
    assert made["spec"] == {"provider": PROVIDER, "prefix": "acme"}
    assert (store.place, store.label, store.hook) == (
        ("ClusterSecretStore", "", "aws"),
        "ClusterSecretStore aws",
        "/hooks/aws",
    )


def test_in_namespaces_mode_it_is_a_secret_store_with_the_same_mapping_and_no_namespace_in_its_references():
    store = SharedStore(Mode.NAMESPACES, "team", "aws")

    made = shared_store(store, PROVIDER, prefix="acme", namespaces={"names": ["team"]})

    assert (made["kind"], made["metadata"]["namespace"]) == ("SecretStore", "team")
    assert made["spec"]["mapping"] == {"by": "Tags"}
    assert made["spec"]["prefix"] == "acme"
    assert "team" not in str(made["spec"])
    assert made["spec"]["provider"]["aws"]["auth"]["accessKey"]["accessKeyIdSecretRef"] == {
        "name": "login",
        "key": "id",
    }
    assert (store.place, store.label, store.hook) == (
        ("SecretStore", "team", "aws"),
        "SecretStore team/aws",
        "/hooks/team/aws",
    )


def test_in_namespaces_mode_it_serves_nobody_else():
    with pytest.raises(AssertionError, match="serves its own namespace"):
        shared_store(SharedStore(Mode.NAMESPACES, "team", "aws"), PROVIDER, namespaces={"names": ["*"]})


@pytest.mark.parametrize("kind", ["ClusterSecretStore", "SecretStore"])
def test_an_external_secret_names_the_store_as_it_is(kind):
    store = next(each for mode in Mode if (each := SharedStore(mode, "team", "aws")).kind == kind)

    assert external_secret("team", store=store)["spec"]["secretStoreRef"] == {"kind": kind, "name": "aws"}


@pytest.mark.parametrize(
    ("test", "scope"),
    [
        ("tests/a.py::test_it", "tests/a.py "),
        ("tests/a.py::test_it[cluster]", "tests/a.py cluster"),
        ("tests/a.py::test_it[namespaces-by tags]", "tests/a.py namespaces"),
        ("tests/a.py::test_namespaces[other]", "tests/a.py "),
    ],
)
def test_a_worker_takes_a_file_and_a_mode(test, scope):
    assert scope_of(test) == scope
