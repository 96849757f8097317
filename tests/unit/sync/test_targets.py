"""The target Secret: whose it is, what becomes of it, and that no Secret is ever lost on the way."""

from typing import Any

import pytest

from keyferry.settings import ADOPT_ANNOTATION, MANAGED_BY, OWNER_ANNOTATION
from tests.unit.fakes import Request
from tests.unit.sync.conventions import assert_follows_conventions
from tests.unit.sync.targets import made, metadata, ready
from tests.unit.sync.world import TEAM, World, item

pytestmark = pytest.mark.looptime(start=1000.0, noop_cycles=1)
MERGE: dict[str, Any] = {"target": {"creationPolicy": "Merge"}}


async def test_a_secret_is_ours_by_its_owner_its_annotation_and_its_label():
    async with World() as world:
        await made(world)
        assert (
            metadata(world)["ownerReferences"][0]["uid"]
            == world.kube.objects["externalsecrets", TEAM, "es"]["metadata"]["uid"]
        )
        assert metadata(world)["annotations"] == {OWNER_ANNOTATION: "es"}
        assert metadata(world)["labels"] == {MANAGED_BY: "keyferry"}


async def test_a_secret_that_was_deleted_returns_within_a_second():
    async with World() as world:
        await made(world)
        world.kube.remove("secrets", "es", TEAM)
        await world.rest(1)
        assert world.held() == {"k": b"v1"}
        assert world.reason() == "Synced"


async def test_a_secret_that_was_edited_is_mended_within_a_second():
    async with World() as world:
        await made(world)
        world.secret("es", {"k": b"by hand"}, annotations={OWNER_ANNOTATION: "es"})
        await world.rest(1)
        assert world.held() == {"k": b"v1"}


async def test_a_secret_that_somebody_labelled_keeps_the_label():
    async with World() as world:
        await made(world)
        world.kube.put("secrets", "es", TEAM, metadata={"labels": {MANAGED_BY: "keyferry", "team": "web"}})
        await world.rest(2)
        assert metadata(world)["labels"] == {MANAGED_BY: "keyferry", "team": "web"}
        assert world.reason() == "Synced"


async def test_a_quarrel_about_a_secret_does_not_go_on_at_full_speed():
    async with World() as world:
        await made(world)

        def undo(request: Request) -> None:
            if request.resource == "secrets" and request.method == "PATCH":
                world.secret("es", {"k": b"theirs"}, annotations={OWNER_ANNOTATION: "es"})

        world.kube.after = undo
        world.kube.remove("secrets", "es", TEAM)
        await world.rest(300)
        assert world.writes()["secrets"] < 25


async def test_keys_that_are_not_asked_for_any_more_are_dropped():
    async with World() as world:
        await made(world, data=[item("a"), item("b")])
        world.external_secret(data=[item("b")])
        await world.rest(2)
        assert world.held() == {"b": b"v1"}


@pytest.mark.parametrize("annotations", [{}, {OWNER_ANNOTATION: "other"}, {ADOPT_ANNOTATION: "false"}], ids=str)
async def test_a_strangers_secret_is_refused_and_left_as_it_is(annotations: dict[str, str]):
    async with World() as world:
        world.secret("es", {"k": b"theirs"}, annotations=annotations)
        before = str(world.kube.objects["secrets", TEAM, "es"])
        await made(world)
        assert str(world.kube.objects["secrets", TEAM, "es"]) == before
        assert world.reason() == "TargetNotOwned"
        assert_follows_conventions(world.kube.objects["externalsecrets", TEAM, "es"])


async def test_the_refusal_names_the_other_external_secret_or_says_how_to_adopt():
    async with World() as world:
        world.secret("es", {}, annotations={OWNER_ANNOTATION: "other"})
        world.secret("free", {})
        world.external_secret("free")
        await made(world)
        assert "is written by ExternalSecret other" in world.condition()["message"]
        assert ADOPT_ANNOTATION in world.condition(name="free")["message"]


async def test_a_secret_whose_owner_lets_go_is_adopted():
    async with World() as world:
        world.secret("es", {"k": b"theirs"}, annotations={ADOPT_ANNOTATION: "true"})
        await made(world)
        assert world.held() == {"k": b"v1"}
        assert world.owner() == "es"
        assert world.reason() == "Synced"


async def test_a_secret_that_is_let_go_later_is_adopted_then():
    async with World() as world:
        world.secret("es", {"k": b"theirs"})
        await made(world)
        world.kube.put("secrets", "es", TEAM, metadata={"annotations": {ADOPT_ANNOTATION: "true"}})
        await world.rest(2)
        assert (world.held(), world.reason()) == ({"k": b"v1"}, "Synced")


async def test_another_external_secrets_secret_is_not_adopted_whatever_it_says():
    async with World() as world:
        world.secret("es", {"k": b"theirs"}, annotations={ADOPT_ANNOTATION: "true", OWNER_ANNOTATION: "other"})
        await made(world)
        assert world.held() == {"k": b"theirs"}


async def test_of_two_with_one_target_one_writes_it_and_the_other_is_told():
    async with World() as world:
        await ready(world)
        world.external_secret("one", target={"name": "shared"})
        world.external_secret("two", target={"name": "shared"}, data=[item("other")])
        await world.rest(30)
        reasons = {world.reason("one"): "one", world.reason("two"): "two"}
        assert reasons.keys() == {"Synced", "TargetNotOwned"}
        assert world.held("shared") == ({"k": b"v1"} if reasons["Synced"] == "one" else {"other": b"v1"})
        assert world.owner("shared") == reasons["Synced"]


async def test_what_is_merged_stands_beside_what_was_there():
    async with World() as world:
        world.secret("es", {"theirs": b"t"})
        await made(world, **MERGE)
        assert world.held() == {"theirs": b"t", "k": b"v1"}
        assert "ownerReferences" not in metadata(world)
        assert world.owner() is None


async def test_what_is_merged_goes_again_when_it_is_not_asked_for():
    async with World() as world:
        world.secret("es", {"theirs": b"t"})
        await made(world, **MERGE)
        world.external_secret(data=[item("other")], **MERGE)
        await world.rest(2)
        assert world.held() == {"theirs": b"t", "other": b"v1"}


async def test_without_a_secret_to_merge_into_it_says_so_and_makes_none():
    async with World() as world:
        await made(world, **MERGE)
        assert (world.held(), world.reason()) == (None, "TargetMissing")
        world.secret("es", {"theirs": b"t"})
        await world.rest(2)
        assert world.held() == {"theirs": b"t", "k": b"v1"}


async def test_two_that_merge_one_key_do_not_fight():
    async with World() as world:
        world.backend.put("z", b"z")
        world.secret("shared", {})
        await ready(world)
        for name, key in (("one", "k"), ("two", "z")):
            world.external_secret(name, data=[item("same", key)], target={"name": "shared", "creationPolicy": "Merge"})
        await world.rest(10)
        assert {world.reason("one"), world.reason("two")} == {"Synced", "TargetNotOwned"}
        world.writes()
        await world.rest(60)
        assert world.writes()["secrets"] < 3


async def test_two_that_merge_different_keys_get_along():
    async with World() as world:
        world.secret("shared", {"theirs": b"t"})
        await ready(world)
        for name in ("one", "two"):
            world.external_secret(name, data=[item(name)], target={"name": "shared", "creationPolicy": "Merge"})
        await world.rest(5)
        assert world.held("shared") == {"theirs": b"t", "one": b"v1", "two": b"v1"}
        assert {world.reason("one"), world.reason("two")} == {"Synced"}


async def test_what_was_owned_and_is_merged_from_now_on_does_not_go_with_the_external_secret():
    async with World() as world:
        await made(world)
        world.external_secret(**MERGE)
        await world.rest(2)
        assert world.held() == {"k": b"v1"}
        assert "ownerReferences" not in metadata(world)


async def test_an_orphan_has_no_owner():
    async with World() as world:
        await made(world, target={"creationPolicy": "Orphan"})
        assert "ownerReferences" not in metadata(world)
        assert world.owner() == "es"


async def test_where_nothing_is_to_be_written_the_store_is_read_all_the_same():
    async with World() as world:
        await made(world, target={"creationPolicy": "None"})
        assert (world.held(), world.reason()) == (None, "Synced")
        assert world.status()["sources"][0]["version"] == "v1"
        assert "target" not in world.status()
        await world.rest(62)
        assert world.calls()["fetch"] == 0


async def test_a_new_name_takes_the_old_secret_away():
    async with World() as world:
        await made(world)
        world.external_secret(target={"name": "renamed"})
        await world.rest(2)
        assert world.held("renamed") == {"k": b"v1"}
        assert world.held("es") is None


async def test_the_old_secret_stays_until_the_new_one_is_there():
    async with World() as world:
        await made(world)
        world.secret("renamed", {"k": b"theirs"})
        world.external_secret(target={"name": "renamed"})
        await world.rest(5)
        assert world.held("es") == {"k": b"v1"}
        assert world.reason() == "TargetNotOwned"


async def test_a_new_name_leaves_an_orphan_where_it_is():
    async with World() as world:
        await made(world, target={"creationPolicy": "Orphan"})
        world.external_secret(target={"creationPolicy": "Orphan", "name": "renamed"})
        await world.rest(2)
        assert (world.held("es"), world.held("renamed")) == ({"k": b"v1"}, {"k": b"v1"})


async def test_a_new_name_takes_merged_keys_out_of_the_old_secret():
    async with World() as world:
        world.secret("es", {"theirs": b"t"})
        world.secret("renamed", {})
        await made(world, **MERGE)
        world.external_secret(target={"creationPolicy": "Merge", "name": "renamed"})
        await world.rest(2)
        assert (world.held("es"), world.held("renamed")) == ({"theirs": b"t"}, {"k": b"v1"})


async def test_a_copy_that_somebody_made_of_a_secret_is_not_taken_away():
    async with World() as world:
        await made(world)
        world.secret("backup", {"k": b"v1"}, annotations=dict(metadata(world)["annotations"]))
        world.external_secret(data=[item("other")])
        await world.rest(3)
        assert world.held("backup") == {"k": b"v1"}


async def test_an_immutable_secret_is_refused_with_the_remedy_and_made_anew_when_deleted():
    async with World() as world:
        await made(world, target={"immutable": True})
        world.backend.put("k", b"v2")
        await world.rest(90)
        assert (world.held(), world.reason()) == ({"k": b"v1"}, "TargetRejected")
        assert "delete the Secret and it is made anew" in world.condition()["message"]
        world.kube.remove("secrets", "es", TEAM)
        await world.rest(2)
        assert (world.held(), world.reason()) == ({"k": b"v2"}, "Synced")


async def test_what_the_api_server_says_of_a_refused_secret_quotes_no_value():
    async with World() as world:
        await made(world, target={"immutable": True})
        world.backend.put("k", b"canary-9f3b")
        await world.rest(90)
        assert world.reason() == "TargetRejected"
        assert "canary" not in str(world.status())
        assert "Y2FuYXJ5" not in str(world.status())


async def test_a_secret_that_is_too_large_is_an_error_and_nothing_is_written():
    async with World() as world:
        await ready(world)
        world.backend.put("k", b"x" * (1024 * 1024 + 1))
        world.external_secret()
        await world.rest(5)
        assert (world.held(), world.reason()) == (None, "SecretTooLarge")


async def test_a_secret_of_just_1_mib_is_written():
    async with World() as world:
        await ready(world)
        world.backend.put("k", b"x" * (1024 * 1024))
        world.external_secret()
        await world.rest(65)
        assert world.reason() == "Synced"


async def test_an_orphan_of_a_former_namesake_is_left_alone():
    async with World() as world:
        await made(world, target={"name": "kept", "creationPolicy": "Orphan"})
        world.kube.remove("externalsecrets", "es", TEAM)
        await world.rest(5)
        world.external_secret(target={"name": "other"})
        await world.rest(5)
        assert (world.held("other"), world.held("kept")) == ({"k": b"v1"}, {"k": b"v1"})


async def test_an_orphan_under_a_former_name_is_left_alone_whatever_the_policy_is_now():
    async with World() as world:
        await made(world, target={"name": "a", "creationPolicy": "Orphan"})
        for policy in ("Orphan", "Owner"):
            world.external_secret(target={"name": "b", "creationPolicy": policy})
            await world.rest(5)
        assert (world.held("a"), world.held("b")) == ({"k": b"v1"}, {"k": b"v1"})
