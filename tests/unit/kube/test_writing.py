"""Secrets, statuses and events as they are written, and what a store may ask of the cluster."""

import base64
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.api.conditions import Condition
from keyferry.api.providers.references import CaProvider, SecretKeyRef, ServiceAccountRef
from keyferry.errors import CredentialsMissing, KubeUnavailable, SpecInvalid, TargetNotOwned, TargetRejected
from keyferry.kube import events, secrets, status
from keyferry.kube.cluster import StoreCluster
from keyferry.kube.errors import Conflict
from keyferry.kube.secrets import SecretMeta, manager_of, meta_of
from keyferry.kube.watched import Index, noted, trimmed
from keyferry.settings import ADOPT_ANNOTATION, OWNER_ANNOTATION
from keyferry.values import Key, StoreKey
from tests.unit.fakes import FakeKube, Request

KEY = Key("team", "es")
OURS = "keyferry:es"


def body(**data: str) -> dict[str, Any]:
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    metadata = {"name": "es", "namespace": "team", "annotations": {OWNER_ANNOTATION: "es"}}
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": encoded}


def held(kube: FakeKube) -> dict[str, str]:
    found = kube.objects["secrets", "team", "es"]["data"]
    return {key: base64.b64decode(text).decode() for key, text in found.items()}


async def made(kube: FakeKube, **data: str) -> SecretMeta:
    return await secrets.create(kube, KEY, body(**data), OURS)


async def test_a_secret_is_made_and_known_by_its_metadata_alone():
    kube = FakeKube()
    meta = await made(kube, k="canary")
    assert held(kube) == {"k": "canary"}
    assert (meta.owner, meta.made, "canary" in repr(meta)) == ("es", True, False)


async def test_making_a_secret_that_is_there_changes_nothing():
    kube = FakeKube()
    theirs = {"theirs": base64.b64encode(b"t").decode()}
    kube.put("secrets", "es", "team", type="Opaque", data=theirs, metadata={"labels": {"a": "1"}})
    with pytest.raises(TargetNotOwned, match="was not made by this ExternalSecret"):
        await made(kube, k="v")
    after = kube.objects["secrets", "team", "es"]
    assert (after["data"], after["metadata"]["labels"]) == (theirs, {"a": "1"})
    assert "annotations" not in after["metadata"]


async def test_making_a_secret_whose_keys_are_anothers_changes_nothing():
    kube = FakeKube()
    kube.put("secrets", "es", "team", type="Opaque", data={"k": base64.b64encode(b"t").decode()})
    with pytest.raises(TargetNotOwned):
        await made(kube, k="v")
    assert held(kube) == {"k": "t"}


async def test_an_update_brings_a_secret_to_just_this_state():
    kube = FakeKube()
    meta = await made(kube, a="1", b="2")
    await secrets.update(kube, KEY, body(b="3"), OURS, uid=meta.uid)
    assert held(kube) == {"b": "3"}


async def test_an_update_of_a_secret_that_was_replaced_touches_nothing():
    kube = FakeKube()
    meta = await made(kube, k="v1")
    kube.remove("secrets", "es", "team")
    with pytest.raises(Conflict):
        await secrets.update(kube, KEY, body(k="v2"), OURS, uid=meta.uid)
    assert ("secrets", "team", "es") not in kube.objects
    await made(kube, k="other")
    with pytest.raises(Conflict):
        await secrets.update(kube, KEY, body(k="v2"), OURS, uid=meta.uid)
    assert held(kube) == {"k": "other"}


async def test_what_another_external_secret_merged_is_left_to_it_and_it_is_named():
    kube = FakeKube()
    meta = await secrets.create(kube, KEY, body(k="theirs"), "keyferry:other")
    with pytest.raises(TargetNotOwned, match="are written by ExternalSecret other: let only one write each"):
        await secrets.merge(kube, KEY, body(k="mine"), OURS, uid=meta.uid)
    assert held(kube) == {"k": "theirs"}


async def test_what_a_person_wrote_is_merged_over():
    kube = FakeKube()
    kube.put("secrets", "es", "team", type="Opaque", data={"k": base64.b64encode(b"t").decode()})
    found = await secrets.look(kube, KEY)
    assert found
    await secrets.merge(kube, KEY, body(k="mine"), OURS, uid=found.uid)
    assert held(kube) == {"k": "mine"}


async def test_what_is_refused_is_told_without_what_was_sent():
    kube = FakeKube()
    with pytest.raises(TargetRejected) as refused:
        await made(kube, **{"..k": "canary"})
    assert "data[..k]: FieldValueInvalid" in str(refused.value)
    assert "canary" not in str(refused.value) + str(refused.value.__cause__)
    assert refused.value.__suppress_context__


async def test_withdrawing_takes_back_our_fields_and_no_others():
    kube = FakeKube()
    kube.put("secrets", "es", "team", type="Opaque", data={"theirs": "dA=="})
    found = await secrets.look(kube, KEY)
    assert found
    await secrets.merge(kube, KEY, body(k="v"), OURS, uid=found.uid)
    await secrets.withdraw(kube, KEY, OURS, uid=found.uid)
    assert held(kube) == {"theirs": "t"}


@pytest.mark.parametrize("uid", ["another", "none"])
async def test_withdrawing_from_or_deleting_what_is_gone_is_fine(uid: str):
    kube = FakeKube()
    if uid == "another":
        await made(kube, k="v")
    await secrets.withdraw(kube, KEY, OURS, uid=uid)
    assert not await secrets.delete(kube, KEY, uid=uid)
    assert kube.objects.keys() == ({("secrets", "team", "es")} if uid == "another" else set())


async def test_that_very_secret_is_deleted():
    kube = FakeKube()
    meta = await made(kube, k="v")
    assert await secrets.delete(kube, KEY, uid=meta.uid)
    assert kube.objects == {}


async def test_looking_for_what_is_not_there_finds_none():
    assert await secrets.look(FakeKube(), KEY) is None


@given(st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", fullmatch=True))
def test_a_field_managers_name_fits_and_is_its_external_secrets_own(name: str):
    assert len(manager_of(name)) <= 128
    assert manager_of(name) != manager_of(f"{name}x")


@pytest.mark.parametrize(
    ("annotations", "managers", "expected"),
    [
        (None, [], ("", False, False)),
        ({OWNER_ANNOTATION: "es"}, ["keyferry:es"], ("es", False, True)),
        ({OWNER_ANNOTATION: "es"}, ["kubectl"], ("es", False, False)),
        ({OWNER_ANNOTATION: "es"}, ["keyferry:other"], ("es", False, False)),
        ({ADOPT_ANNOTATION: "true"}, [], ("", True, False)),
        ({ADOPT_ANNOTATION: "yes"}, [], ("", False, False)),
    ],
    ids=str,
)
def test_whose_a_secret_is_stands_in_its_metadata(annotations: Any, managers: list[str], expected: tuple[Any, ...]):
    managed = [{"manager": name} for name in managers]
    meta = meta_of({"uid": "u", "resourceVersion": "1", "annotations": annotations, "managedFields": managed})
    assert (meta.owner, meta.adopt, meta.made) == expected


@pytest.mark.parametrize(("one", "other", "newer"), [("10", "9", True), ("9", "10", False), ("9", "9", False)])
def test_versions_compare_as_numbers(one: str, other: str, *, newer: bool):
    assert SecretMeta("u", one, "", adopt=False).newer_than(SecretMeta("u", other, "", adopt=False)) is newer


async def write(kube: FakeKube, told: dict[str, Any], seen: dict[str, Any]) -> dict[str, Any] | None:
    return await status.write(kube, "externalsecrets", KEY, told, seen)


async def test_a_status_is_replaced_as_a_whole():
    kube = FakeKube()
    seen = kube.put(
        "externalsecrets", "es", "team", spec={}, status={"old": 1, "kept": [1, 2], "nested": {"a": 1, "b": 2}}
    )
    written = await write(
        kube, {"kept": [3], "nested": {"a": 1, "b": 3}}, trimmed(kube.objects["externalsecrets", "team", "es"])
    )
    assert seen
    assert written
    assert written["status"] == {"kept": [3], "nested": {"a": 1, "b": 3}}


async def test_a_status_for_what_is_gone_is_not_written():
    kube = FakeKube()
    kube.put("externalsecrets", "es", "team", spec={})
    seen = trimmed(kube.objects["externalsecrets", "team", "es"])
    kube.remove("externalsecrets", "es", "team")
    assert await write(kube, {"a": 1}, seen) is None


@pytest.mark.parametrize(
    "edit", [{"spec": {"b": 1}}, {"metadata": {"annotations": {"keyferry.dev/refresh": "1"}}}], ids=str
)
async def test_a_status_for_what_was_edited_meanwhile_is_not_written(edit: dict[str, Any]):
    kube = FakeKube()
    kube.put("externalsecrets", "es", "team", spec={})
    seen = trimmed(kube.objects["externalsecrets", "team", "es"])
    kube.put("externalsecrets", "es", "team", **edit)
    assert await write(kube, {"a": 1}, seen) is None
    assert "status" not in kube.objects["externalsecrets", "team", "es"]


async def test_a_status_for_what_somebody_labelled_meanwhile_is_written():
    kube = FakeKube()
    kube.put("externalsecrets", "es", "team", spec={})
    seen = trimmed(kube.objects["externalsecrets", "team", "es"])
    kube.put("externalsecrets", "es", "team", metadata={"labels": {"a": "1"}})
    written = await write(kube, {"a": 1}, seen)
    assert written
    assert written["status"] == {"a": 1}


async def test_a_status_that_is_overtaken_again_and_again_is_given_up_for_now():
    kube = FakeKube()
    kube.put("externalsecrets", "es", "team", spec={})
    seen = trimmed(kube.objects["externalsecrets", "team", "es"])
    kube.before = lambda request: _labelled(kube, request)
    with pytest.raises(KubeUnavailable, match="changes faster than its status can be written"):
        await write(kube, {"a": 1}, seen)


def _labelled(kube: FakeKube, request: Request) -> None:
    if request.method == "PATCH":
        kube.put("externalsecrets", "es", "team", metadata={"labels": {"a": kube.version}})


def condition(status_: Any = "False", message: str = "why") -> Condition:
    return Condition(type="Ready", status=status_, reason="AuthFailed", message=message)


@pytest.mark.parametrize(("status_", "type_"), [("True", "Normal"), ("False", "Warning"), ("Unknown", "Warning")])
def test_an_event_warns_of_what_is_not_ready(status_: str, type_: str):
    metadata = {"name": "es", "namespace": "team", "uid": "u", "resourceVersion": "1"}
    event = events.event_for("ExternalSecret", metadata, condition(status_), datetime(2026, 1, 1, tzinfo=UTC))
    assert (event["type"], event["reason"], event["message"]) == (type_, "AuthFailed", "why")
    assert (event["metadata"]["namespace"], event["involvedObject"]["uid"]) == ("team", "u")
    assert event["firstTimestamp"] == "2026-01-01T00:00:00Z"


def test_an_event_of_a_cluster_store_has_a_namespace_and_always_a_message():
    metadata = {"name": "s" * 253, "uid": "u", "resourceVersion": "1"}
    event = events.event_for("ClusterSecretStore", metadata, condition(message=""), datetime(2026, 1, 1, tzinfo=UTC))
    assert event["metadata"]["namespace"] == "default"
    assert len(event["metadata"]["generateName"]) <= 248
    assert event["message"] == "the store can be used again"


def cluster(kube: FakeKube, namespace: str = "team") -> StoreCluster:
    return StoreCluster(kube, StoreKey(namespace, "store"))


def ref(namespace: str | None = None, key: str = "k") -> SecretKeyRef:
    return SecretKeyRef(name="login", key=key, namespace=namespace)


def ca(kind: Literal["Secret", "ConfigMap"], key: str = "ca.crt") -> CaProvider:
    return CaProvider(type=kind, name="ca", key=key)


async def test_a_store_reads_its_authority_from_a_config_map_or_a_secret():
    kube = FakeKube()
    kube.put("configmaps", "ca", "team", data={"ca.crt": "of the map"})
    kube.put("secrets", "ca", "team", data={"ca.crt": base64.b64encode(b"of the secret").decode()})
    mine = cluster(kube)
    assert await mine.authority(ca("ConfigMap")) == b"of the map"
    assert mine.used == {}
    assert await mine.authority(ca("Secret")) == b"of the secret"
    assert set(mine.used) == {Key("team", "ca")}


async def test_an_authority_that_is_not_there_is_named():
    kube = FakeKube()
    with pytest.raises(CredentialsMissing, match="ConfigMap team/ca is not there"):
        await cluster(kube).authority(ca("ConfigMap"))
    kube.put("configmaps", "ca", "team", data={"ca.crt": "x"})
    with pytest.raises(CredentialsMissing, match=r"ConfigMap team/ca has no key tls\.crt"):
        await cluster(kube).authority(ca("ConfigMap", "tls.crt"))
    with pytest.raises(SpecInvalid, match="say in which namespace ConfigMap ca is"):
        await cluster(kube, "").authority(ca("ConfigMap"))


async def test_a_store_reads_its_login_and_knows_at_which_version():
    kube = FakeKube()
    kube.put("secrets", "login", "team", data={"k": base64.b64encode(b"\x00v").decode()})
    mine = cluster(kube)
    assert await mine.secret(ref()) == b"\x00v"
    assert mine.used == {Key("team", "login"): kube.version}


async def test_a_login_that_is_not_there_is_named_and_waited_for():
    mine = cluster(FakeKube())
    with pytest.raises(CredentialsMissing, match="Secret team/login is not there; its key k is the login's"):
        await mine.secret(ref())
    assert mine.used == {Key("team", "login"): ""}


@pytest.mark.parametrize("data", [{"other": "dg=="}, None], ids=str)
async def test_a_login_without_its_key_is_named_and_watched(data: dict[str, str] | None):
    kube = FakeKube()
    kube.put("secrets", "login", "team", data=data)
    mine = cluster(kube)
    with pytest.raises(CredentialsMissing, match="Secret team/login has no key k"):
        await mine.secret(ref())
    assert mine.used == {Key("team", "login"): kube.version}


async def test_a_secret_store_reads_only_in_its_own_namespace():
    kube = FakeKube()
    kube.put("secrets", "login", "other", data={"k": "dg=="})
    with pytest.raises(SpecInvalid, match="must be in the store's own namespace team"):
        await cluster(kube).secret(ref("other"))
    with pytest.raises(SpecInvalid, match="must be in the store's own namespace team"):
        await cluster(kube).token(ServiceAccountRef(name="sa", namespace="other"), "sts")
    assert kube.requests == []


async def test_a_cluster_store_says_in_which_namespace():
    kube = FakeKube()
    kube.put("secrets", "login", "other", data={"k": "dg=="})
    assert await cluster(kube, "").secret(ref("other")) == b"v"
    with pytest.raises(SpecInvalid, match="say in which namespace Secret login is"):
        await cluster(kube, "").secret(ref())


def test_what_is_kept_of_an_object_is_what_is_used():
    annotations = {"keyferry.dev/refresh": "1", "kubectl.kubernetes.io/last-applied-configuration": "x" * 1000}
    metadata = {"name": "es", "uid": "u", "resourceVersion": "1", "annotations": annotations, "managedFields": [1]}
    kept = trimmed({"metadata": metadata, "spec": {"a": 1}, "other": 2})
    assert kept["metadata"]["annotations"] == {"keyferry.dev/refresh": "1"}
    assert "managedFields" not in kept["metadata"]
    assert kept.keys() == {"metadata", "spec"}


def seen(version: str, generation: int = 1) -> dict[str, Any]:
    return {"metadata": {"name": "es", "uid": "u", "resourceVersion": version, "generation": generation}}


@pytest.mark.parametrize(
    ("known", "written", "expected"),
    [
        (seen("1"), seen("2"), "2"),
        (seen("3"), seen("2"), "3"),
        (seen("1"), seen("2", generation=2), "1"),
    ],
    ids=["newer", "older", "edited"],
)
def test_our_own_write_is_known_unless_it_met_something_newer(known: Any, written: Any, expected: str):
    objects = {KEY: known}
    noted(objects, KEY, written)
    assert objects[KEY]["metadata"]["resourceVersion"] == expected


def test_what_is_gone_is_not_known_again_by_our_own_write():
    objects: dict[Key, Any] = {}
    noted(objects, KEY, seen("2"))
    assert objects == {}


pairs = st.tuples(st.sampled_from("abc"), st.frozensets(st.sampled_from("xyz")))


@given(st.lists(pairs))
def test_an_index_tells_just_who_depends_on_what_as_was_last_said(said: list[tuple[str, frozenset[str]]]):
    index = Index[str, str]()
    for dependent, sources in said:
        index.put(dependent, sources)
    last = dict(said)
    for source in "xyz":
        assert index.of(source) == {dependent for dependent, sources in last.items() if source in sources}


def test_an_index_keeps_nothing_of_those_who_depend_on_nothing():
    index = Index[str, str]()
    index.put("a", ["x"])
    index.put("a", [])
    assert (dict(index._dependents), index._sources) == ({}, {})
