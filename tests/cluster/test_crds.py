"""What a user meets of Keyferry's kinds at `kubectl apply`, `get` and `explain`, on the real API server."""

import contextlib
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from keyferry.api.conditions import conditions_after, since
from keyferry.api.external_secret import ExternalSecretStatus, Source, TargetStatus
from keyferry.api.kinds import KINDS
from keyferry.api.store import Granted, StoreAccess, StoreStatus
from keyferry.errors import BackendUnavailable, SpecInvalid, SyncError
from tests import kstatus
from tests.controlplane import ControlPlane
from tests.controlplane.api import RequestFailed
from tests.controlplane.plane import KubectlFailed

ROOT = Path(__file__).resolve().parents[2]
ACCEPTED, REJECTED = (ROOT / "tests" / "crds" / folder for folder in ("accepted", "rejected"))
PUBLISHED_WITHIN = 60.0
NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)
ANY_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)

Apply = Callable[..., str]


def manifests(folder: Path) -> Any:
    """A test for each manifest of the folder."""
    return pytest.mark.parametrize("path", sorted(folder.glob("*.yaml")), ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def applied(plane: ControlPlane) -> str:
    """What plain `kubectl apply` says to the checked-in CRDs when they are there already."""
    plane.kubectl("apply", "-f", str(ROOT / "crds"))
    plane.kubectl(
        "wait", "--for=condition=Established", "--timeout=60s", *(f"crd/{k.plural}.keyferry.dev" for k in KINDS)
    )
    _wait_for_openapi(plane)
    plane.kubectl("api-resources")  # kubectl remembers what there was before; this makes it look again
    return plane.kubectl("apply", "-f", str(ROOT / "crds"))


def _wait_for_openapi(plane: ControlPlane) -> None:
    """The API server publishes the schemas of new kinds a moment after it serves them."""
    until = time.monotonic() + PUBLISHED_WITHIN
    while time.monotonic() < until:
        with contextlib.suppress(RequestFailed):  # 404: the group is not there yet
            published = plane.request("GET", "/openapi/v3/apis/keyferry.dev/v1alpha1")["components"]["schemas"]
            if all(f"dev.keyferry.v1alpha1.{kind.kind}" in published for kind in KINDS):
                return
        time.sleep(0.1)
    raise TimeoutError(f"the API server did not publish the schemas within {PUBLISHED_WITHIN:g} s")


@pytest.fixture(scope="module")
def answers(plane: ControlPlane, applied: str) -> Callable[[Path], str]:
    """What `kubectl apply` would say to a folder of manifests; one run serves the tests of all of them."""
    known: dict[Path, str] = {}

    def answer(folder: Path) -> str:
        if folder not in known:
            try:
                known[folder] = plane.kubectl("apply", "--dry-run=server", "-f", str(folder))
            except KubectlFailed as refused:
                known[folder] = str(refused)
        return known[folder]

    return answer


@pytest.fixture
def apply(plane: ControlPlane, applied: str, namespace: str) -> Apply:
    """Applies an ExternalSecret or a SecretStore to the test's namespace."""

    def done(kind: str, name: str, spec: dict[str, Any], *more: str) -> str:
        manifest = {"apiVersion": "keyferry.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        return plane.kubectl("apply", "-n", namespace, "-f", "-", *more, stdin=json.dumps(manifest))

    return done


def asks_for(*keys: str, store: str = "team", **more: Any) -> dict[str, Any]:
    """The spec of an ExternalSecret with these keys."""
    data = [{"secretKey": key, "remoteRef": {"key": key}} for key in keys]
    return {"secretStoreRef": {"name": store}, "data": data, **more}


def test_plain_kubectl_apply_takes_the_crds_and_finds_no_difference_afterwards(applied):
    assert applied.splitlines() == [
        f"customresourcedefinition.apiextensions.k8s.io/{kind.plural}.keyferry.dev unchanged"
        for kind in sorted(KINDS, key=lambda kind: kind.plural)
    ]


@ANY_KIND
def test_the_api_server_neither_adds_nor_drops_anything(plane, applied, kind):
    """Else Argo CD and Flux show a difference for ever."""
    live = plane.request("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{kind.plural}.keyferry.dev")
    assert live["spec"].pop("conversion") == {"strategy": "None"}
    assert live["spec"] == kind.as_json()["spec"]


@manifests(ACCEPTED)
def test_a_good_manifest_is_accepted(answers, path):
    manifest = yaml.safe_load(path.read_text())
    object_ = f"{manifest['kind'].lower()}.keyferry.dev/{manifest['metadata']['name']}"
    assert f"\n{object_} created (server dry run)\n" in f"\n{answers(ACCEPTED)}"


@manifests(REJECTED)
def test_a_bad_manifest_is_refused_with_what_to_write_instead(answers, path):
    (answer,) = [line for line in answers(REJECTED).splitlines() if f'"{path}"' in line]
    expected = [
        line.removeprefix("# expect: ") for line in path.read_text().splitlines() if line.startswith("# expect: ")
    ]
    assert [text for text in expected if text not in answer] == []


def test_a_resource_stays_as_it_was_written(plane, apply, namespace):
    apply("ExternalSecret", "db", asks_for("password"))
    live = plane.request("GET", f"/apis/keyferry.dev/v1alpha1/namespaces/{namespace}/externalsecrets/db")
    assert live["spec"] == asks_for("password")
    assert apply("ExternalSecret", "db", asks_for("password")) == "externalsecret.keyferry.dev/db unchanged\n"


def test_anything_may_be_changed_afterwards(apply):
    apply("ExternalSecret", "db", asks_for("password"))
    other = asks_for("user", store="other", target={"name": "else", "creationPolicy": "Orphan", "type": "Opaque"})
    assert apply("ExternalSecret", "db", other) == "externalsecret.keyferry.dev/db configured\n"


def test_two_managers_each_have_their_own_keys(plane, apply, namespace):
    """One manager's keys are not the other's to drop: `data` is merged by secretKey."""
    apply("ExternalSecret", "db", asks_for("password"), "--server-side", "--field-manager=one")
    apply("ExternalSecret", "db", asks_for("user"), "--server-side", "--field-manager=two")
    live = plane.request("GET", f"/apis/keyferry.dev/v1alpha1/namespaces/{namespace}/externalsecrets/db")
    assert [entry["secretKey"] for entry in live["spec"]["data"]] == ["password", "user"]


def tell(plane: ControlPlane, path: str, status: ExternalSecretStatus | StoreStatus) -> None:
    """Write a status as the operator does; a field that the schema does not know is an error."""
    plane.request(
        "PATCH",
        f"/apis/keyferry.dev/v1alpha1/{path}/status?fieldValidation=Strict",
        {"status": status.model_dump(mode="json", by_alias=True, exclude_none=True)},
        "application/merge-patch+json",
    )


def conditions(error: SyncError | None, good: str) -> Any:
    return since(conditions_after(error, generation=1, good=good), (), NOON)


def columns(table: str) -> list[dict[str, str]]:
    """What kubectl lists, a mapping a row."""
    head, *rows = table.splitlines()
    starts = [head.index(name) for name in head.split()]
    return [
        {
            name: row[start:end].strip()
            for name, start, end in zip(head.split(), starts, [*starts[1:], None], strict=True)
        }
        for row in rows
    ]


def test_the_columns_tell_what_is_wrong_and_since_when(plane, apply, namespace):
    apply("ExternalSecret", "db", asks_for("password"))
    status = ExternalSecretStatus(
        observed_generation=1,
        conditions=conditions(BackendUnavailable("no answer from 10.0.0.1"), "Synced"),
        sources=(Source(key="db", id="arn:db", version="1"),),
        sources_digest="d",
        source_revision="r",
        target=TargetStatus(name="db", resource_version="7"),
        refresh="now",
    )
    tell(plane, f"namespaces/{namespace}/externalsecrets/db", status)

    (row,) = columns(plane.kubectl("get", "kes", "-n", namespace))
    assert (row["STORE"], row["READY"], row["REASON"]) == ("team", "False", "BackendUnavailable")
    assert row["SINCE"].endswith(("d", "h", "y"))
    assert "no answer from 10.0.0.1" in plane.kubectl("get", "kes", "-n", namespace, "-o", "wide")


def test_the_columns_of_a_store_tell_how_much_it_offers(plane, apply, namespace):
    sql = {"database": "main", "encryption": {"keySecretRef": {"name": "sql", "key": "key"}}}
    apply("SecretStore", "team", {"provider": {"sql": sql}, "mapping": {"by": "Names"}})
    status = StoreStatus(
        observed_generation=1,
        conditions=conditions(None, "Ready"),
        access=StoreAccess(login=Granted.YES),
        lacking=("secretsmanager:ListSecrets",),
        offered=12,
        last_sweep_time="2020-01-01T12:00:00Z",
        refresh="now",
    )
    tell(plane, f"namespaces/{namespace}/secretstores/team", status)

    (row,) = columns(plane.kubectl("get", "kss", "-n", namespace))
    assert (row["MAPPING"], row["READY"], row["OFFERED"]) == ("Names", "True", "12")


def test_kubectl_wait_understands_the_conditions(plane, apply, namespace):
    apply("ExternalSecret", "db", asks_for("password"))
    tell(
        plane, f"namespaces/{namespace}/externalsecrets/db", ExternalSecretStatus(conditions=conditions(None, "Synced"))
    )
    assert "condition met" in plane.kubectl("wait", "-n", namespace, "--for=condition=Ready", "kes/db", "--timeout=10s")


SPECS = {
    "ExternalSecret": asks_for("password"),
    "SecretStore": {
        "provider": {"sql": {"database": "main", "encryption": {"keySecretRef": {"name": "sql", "key": "key"}}}}
    },
}


@pytest.mark.parametrize("kind", SPECS)
def test_what_nobody_has_looked_at_is_not_done(plane, apply, namespace, kind):
    at = f"namespaces/{namespace}/{kind.lower()}s/new"

    def now() -> Any:
        return plane.request("GET", f"/apis/keyferry.dev/v1alpha1/{at}")

    apply(kind, "new", SPECS[kind])
    assert now()["status"] == {"observedGeneration": -1}
    assert kstatus.computed(now()) == "InProgress"
    with pytest.raises(KubectlFailed, match="timed out"):
        plane.kubectl("wait", "-n", namespace, "--for=condition=Ready", f"{kind.lower()}/new", "--timeout=1s")

    status = ExternalSecretStatus if kind == "ExternalSecret" else StoreStatus
    tell(plane, at, status(observed_generation=1, conditions=conditions(None, "Ready")))
    assert kstatus.computed(now()) == "Current"
    assert "condition met" in plane.kubectl(
        "wait", "-n", namespace, "--for=condition=Ready", f"{kind.lower()}/new", "--timeout=10s"
    )
    assert apply(kind, "new", SPECS[kind]) == f"{kind.lower()}.keyferry.dev/new unchanged\n"


def test_the_first_status_belongs_to_nobody_and_is_applied_by_nobody(plane, apply, namespace):
    """Else a pipeline that applies server-side would own a field that the operator writes."""
    apply("ExternalSecret", "db", asks_for("password"), "--server-side", "--field-manager=pipeline")
    live = plane.request("GET", f"/apis/keyferry.dev/v1alpha1/namespaces/{namespace}/externalsecrets/db")
    assert [each["manager"] for each in live["metadata"]["managedFields"] if "f:status" in each["fieldsV1"]] == []


@pytest.mark.parametrize(
    ("error", "found"),
    [(BackendUnavailable("no answer"), "InProgress"), (SpecInvalid("no"), "Failed"), (None, "Current")],
    ids=["may heal", "only an edit heals it", "well"],
)
def test_what_a_status_says_is_what_pipelines_understand(plane, apply, namespace, error, found):
    apply("ExternalSecret", "db", asks_for("password"))
    at = f"namespaces/{namespace}/externalsecrets/db"
    tell(plane, at, ExternalSecretStatus(observed_generation=1, conditions=conditions(error, "Synced")))
    assert kstatus.computed(plane.request("GET", f"/apis/keyferry.dev/v1alpha1/{at}")) == found

    apply("ExternalSecret", "db", asks_for("user"))
    assert kstatus.computed(plane.request("GET", f"/apis/keyferry.dev/v1alpha1/{at}")) == "InProgress"


def test_the_category_lists_every_kind_of_a_namespace(plane, apply, namespace):
    apply("ExternalSecret", "db", asks_for("password"))
    sql = {"database": "main", "encryption": {"keySecretRef": {"name": "sql", "key": "key"}}}
    apply("SecretStore", "team", {"provider": {"sql": sql}})
    listed = plane.kubectl("get", "keyferry", "-n", namespace, "-o", "name")
    assert {"externalsecret.keyferry.dev/db", "secretstore.keyferry.dev/team"} <= set(listed.split())


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("spec.secretStoreRef.name=other", ["two"]),
        ("spec.suspend=true", ["two"]),
        ("spec.suspend!=true", ["one"]),
        ("spec.target.name=shared", ["one"]),
        ("spec.secretStoreRef.kind=ClusterSecretStore", []),
    ],
)
def test_a_field_selector_finds_who_uses_a_store(plane, apply, namespace, selector, found):
    apply("ExternalSecret", "one", asks_for("a", target={"name": "shared"}))
    apply("ExternalSecret", "two", asks_for("a", store="other", suspend=True))
    listed = plane.kubectl("get", "kes", "-n", namespace, "--field-selector", selector, "-o", "name")
    assert listed.split() == [f"externalsecret.keyferry.dev/{name}" for name in found]


@ANY_KIND
def test_explain_begins_with_an_example_that_is_one(plane, applied, kind):
    explained = plane.kubectl("explain", f"{kind.plural}.keyferry.dev")
    example = explained.partition("DESCRIPTION:")[2].partition("FIELDS:")[0].partition("\n    \n")[2]
    manifest = {"apiVersion": "keyferry.dev/v1alpha1", "kind": kind.kind, "metadata": {"name": "example"}}
    answer = plane.kubectl(
        "apply", "--dry-run=server", "-f", "-", stdin=json.dumps({**manifest, **yaml.safe_load(example)})
    )
    assert answer == f"{kind.kind.lower()}.keyferry.dev/example created (server dry run)\n"


@ANY_KIND
def test_explain_leaves_no_field_without_a_word(plane, applied, kind):
    objects = [kind.plural, *(f"{kind.plural}.{part}" for part in ("spec", "status", "status.conditions"))]
    for path in objects:
        assert "<no description>" not in plane.kubectl("explain", "--api-version=keyferry.dev/v1alpha1", path)


def test_explain_tells_of_a_choice_what_can_be_chosen(plane, applied):
    explained = plane.kubectl("explain", "kes.spec.target")
    assert "enum: Owner, Orphan, Merge, None" in explained
    assert "Default: Owner." in explained
