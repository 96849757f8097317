"""Who is woken by what, and that nothing old passes for news."""

from typing import Any

import pytest

from keyferry.kube.secrets import SecretMeta
from keyferry.kube.watched import Watched
from keyferry.sync.waking import Waking
from keyferry.values import Key, StoreKey

DB = Key("team", "db")
STORE = StoreKey("team", "store")


class Bed:
    """A Waking, and whom it woke."""

    def __init__(self) -> None:
        self.watched = Watched()
        self.woken: list[Key] = []
        self.stores: list[StoreKey] = []
        self.due: list[float | None] = []
        self.waking = Waking(self.watched, self._nudged, self.stores.append)

    def _nudged(self, key: Key, at: float | None) -> None:
        self.woken.append(key)
        self.due.append(at)

    def sees(self, version: int, *, generation: int = 1, uid: str = "u1", deleted: bool = False, **more: Any) -> None:
        metadata = {"namespace": "team", "name": "db", "uid": uid, "generation": generation, **more}
        spec = {"secretStoreRef": {"name": "store"}, "data": [{"secretKey": "k", "remoteRef": {"key": "k"}}]}
        body = {"metadata": {**metadata, "resourceVersion": str(version)}, "spec": spec}
        self.waking.external_secret(body, deleted=deleted)


@pytest.fixture
def bed() -> Bed:
    return Bed()


def test_a_new_one_is_woken(bed: Bed):
    bed.sees(1)
    assert bed.woken == [DB]


def test_an_edit_wakes_it(bed: Bed):
    bed.sees(1)
    bed.sees(2, generation=2)
    assert bed.woken == [DB, DB]


async def test_a_new_refresh_annotation_wakes_it(bed: Bed):
    bed.sees(1)
    bed.sees(2, annotations={"keyferry.dev/refresh": "now"})
    assert bed.woken == [DB, DB]


@pytest.mark.looptime
async def test_who_forces_refreshes_in_a_loop_waits_longer_and_longer(bed: Bed):
    for version in range(1, 21):
        bed.sees(version, annotations={"keyferry.dev/refresh": str(version)})
    assert bed.due[:6] == [None, *[0.0] * 5]
    assert bed.due[6:9] == [1.0, 2.0, 4.0]
    assert bed.due[-1] == 60.0


@pytest.mark.looptime
async def test_an_edit_is_never_made_to_wait(bed: Bed):
    for version in range(1, 21):
        bed.sees(version, generation=version, annotations={"keyferry.dev/refresh": str(version)})
    assert set(bed.due) == {None}


def test_our_own_status_wakes_nobody(bed: Bed):
    bed.sees(1)
    bed.sees(2)
    assert bed.woken == [DB]


def test_what_is_told_late_is_no_news(bed: Bed):
    bed.sees(5, generation=2)
    bed.sees(4, generation=1)
    assert bed.watched.external_secrets[DB]["metadata"]["generation"] == 2


def test_the_deletion_of_a_namesake_that_is_told_late_deletes_nothing(bed: Bed):
    bed.sees(5, uid="new")
    bed.sees(4, uid="old", deleted=True)
    assert DB in bed.watched.external_secrets


@pytest.mark.parametrize(
    "how", [{"deleted": True}, {"deletionTimestamp": "2026-01-01T00:00:00Z"}], ids=["gone", "going"]
)
def test_what_is_deleted_is_forgotten_and_its_work_is_told(bed: Bed, how: dict[str, Any]):
    bed.sees(1)
    bed.sees(2, **how)
    assert DB not in bed.watched.external_secrets
    assert bed.woken == [DB, DB]
    assert not bed.watched.by_store.of(STORE)


def test_a_deletion_that_nobody_told_is_learnt_from_a_list(bed: Bed):
    bed.sees(3)
    bed.waking.only("externalsecrets", set(), version=10)
    assert DB not in bed.watched.external_secrets


def test_what_was_made_while_the_list_was_read_is_not_forgotten(bed: Bed):
    bed.sees(11)
    bed.waking.only("externalsecrets", set(), version=10)
    assert DB in bed.watched.external_secrets


def test_a_list_of_one_kind_of_store_forgets_none_of_the_other(bed: Bed):
    body = {"metadata": {"name": "aws", "uid": "u", "generation": 1, "resourceVersion": "1"}, "spec": {}}
    bed.waking.store(body, deleted=False)
    bed.waking.only("secretstores", set(), version=10)
    assert StoreKey("", "aws") in bed.watched.stores


async def test_a_changed_secret_wakes_its_writer_and_the_stores_that_log_in_with_it(bed: Bed):
    bed.sees(1)
    bed.watched.by_credential.put(STORE, [DB])
    bed.watched.secrets[DB] = SecretMeta("u", "1", "db", adopt=False)
    bed.waking.secret(DB)
    assert bed.woken == [DB, DB]
    assert bed.stores == [STORE]


def test_a_store_wakes_everything_of_it(bed: Bed):
    bed.sees(1)
    bed.waking.everything_of(STORE)
    assert bed.woken == [DB, DB]


def test_a_namespaces_annotation_wakes_what_is_in_it_and_nothing_else_does(bed: Bed):
    bed.sees(1)
    for version, annotations in ((1, {}), (2, {}), (3, {"keyferry.dev/namespace": "acme.team"})):
        metadata = {"name": "team", "uid": "n", "resourceVersion": str(version), "annotations": annotations}
        bed.waking.namespace({"metadata": metadata}, deleted=False)
    assert bed.woken == [DB, DB, DB]  # itself; the namespace appeared; its annotation changed
