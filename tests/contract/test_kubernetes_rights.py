"""The rights of the documentation, on a real API server: they suffice, and less does not."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import yaml

from keyferry.backends.base import Heard
from keyferry.backends.kubernetes import KubernetesBackend
from keyferry.backends.kubernetes.errors import Taken
from keyferry.errors import PermissionDenied
from keyferry.values import Ref, Scope, Value
from tests.contract.kubernetes_stores import Reader, store
from tests.controlplane.shared import shared

PAGE = Path(__file__).parents[2] / "docs" / "providers" / "kubernetes.md"
DB = Ref("acme-db")
ACME = Scope(name_prefix="acme-")


def documented() -> list[Any]:
    """The ServiceAccount, the Role and the RoleBinding as the page has them."""
    section = PAGE.read_text().partition("## The least rights")[2]
    (text,) = re.findall(r"```yaml\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    return list(yaml.safe_load_all(text))


@pytest.fixture
def verbs() -> list[str]:
    """The verbs that the page grants."""
    (role,) = [each for each in documented() if each["kind"] == "Role"]
    (rule,) = role["rules"]
    assert (rule["apiGroups"], rule["resources"]) == ([""], ["secrets"])
    found: list[str] = rule["verbs"]
    return found


@pytest.fixture
def reader(verbs: list[str]) -> Iterator[Reader]:
    made = Reader(shared()).make(*verbs)
    made.write(DB.id, {"password": b"v"})
    made.write("umbrella", {"password": b"v"})
    yield made
    made.end()


@pytest.fixture
async def backend(reader: Reader) -> AsyncIterator[KubernetesBackend]:
    async with aclosing(store(reader, scope=ACME)) as made:
        yield made


async def first_word(backend: KubernetesBackend) -> Heard:
    async with aclosing(backend.hints()) as hints:
        return await anext(hints)


def test_the_manifest_is_one_that_an_api_server_takes(reader: Reader):
    text = PAGE.read_text().partition("## The least rights")[2].partition("```yaml\n")[2].partition("```")[0]
    own = text.replace("shared-secrets", reader.namespace).replace(
        "namespace: payments", f"namespace: {reader.namespace}"
    )
    reader.plane.kubectl("apply", "--filename=-", stdin=own)
    assert len(documented()) == 3


async def test_the_documented_rights_suffice(backend: KubernetesBackend):
    access = await backend.check()
    assert (access.listing, access.lacking) == (True, ())
    assert [entry.name async for entry in backend.entries(ACME)] == [DB.id]
    assert isinstance((await backend.fetch([DB]))[DB], Value)
    assert await first_word(backend) is Heard.NOTHING


@pytest.mark.parametrize("verb", ["get", "list", "watch"])
async def test_each_verb_that_lacks_is_named_and_costs_what_the_page_says(
    reader: Reader, verbs: list[str], backend: KubernetesBackend, verb: str
):
    reader.allow(*(set(verbs) - {verb}))
    access = await backend.check()
    (lacking,) = access.lacking
    assert lacking.startswith(f"{verb} on secrets in namespace {reader.namespace}: ")
    assert access.listing is (verb != "list")
    read = (await backend.fetch([DB]))[DB]
    assert isinstance(read, PermissionDenied if verb == "get" else Value)
    if verb == "get":
        assert await first_word(backend) is Heard.NOTHING
        return
    with pytest.raises(PermissionDenied, match=f"not allowed {verb} on secrets in namespace {reader.namespace}"):
        await first_word(backend)


async def test_rights_to_named_secrets_suffice_to_read_them(reader: Reader, backend: KubernetesBackend):
    reader.allow("get", names=[DB.id])
    reader.await_right("get", allowed=False, name="umbrella")
    access = await backend.check()
    got = await backend.fetch([DB, Ref("umbrella")])
    assert isinstance(got[DB], Value)
    assert isinstance(got[Ref("umbrella")], PermissionDenied)
    assert access.listing is False
    assert "whether the store's Secrets may be read shows when they are" in str(access.lacking)


async def test_a_change_is_heard(reader: Reader, backend: KubernetesBackend):
    async with aclosing(backend.hints()) as hints:
        assert await anext(hints) is Heard.NOTHING
        reader.write("umbrella", {"password": b"w"})
        assert await anext(hints) is Heard.NOTHING  # not of this store's prefix
        reader.write(DB.id, {"password": b"w"})
        assert await anext(hints) is Heard.CHANGE
        reader.delete(DB.id)
        assert await anext(hints) is Heard.CHANGE


async def test_a_scope_by_tags_lists_what_has_the_labels(reader: Reader):
    reader.write("theirs", {"password": b"v"}, {"prefix": "umbrella", "namespace": "a", "key": "b"})
    reader.write("ours", {"password": b"v"}, {"prefix": "acme", "namespace": "a", "key": "b"})
    scope = Scope(tags={"prefix": "acme", "namespace": "", "key": ""})
    async with aclosing(store(reader, scope=scope)) as backend:
        assert [entry.name async for entry in backend.entries(scope)] == ["ours"]
        async with aclosing(backend.hints()) as hints:
            await anext(hints)
            reader.write("theirs", {"password": b"w"}, {"prefix": "umbrella"})
            reader.write("ours", {"password": b"w"})  # without its labels: the last that is heard of it
            assert await anext(hints) is Heard.CHANGE
            reader.write("ours", {"password": b"x"}, {"prefix": "acme", "namespace": "a", "key": "b"})
            assert await anext(hints) is Heard.CHANGE


async def test_a_write_over_somebody_elses_is_refused(reader: Reader):
    reader.allow("get", "patch")
    async with aclosing(store(reader)) as backend:
        before = await (connection := await backend._connection.get()).metadata(DB.id)
        reader.write(DB.id, {"password": b"theirs"})
        with pytest.raises(Taken, match=f"Secret {reader.namespace}/{DB.id} was written by somebody else meanwhile"):
            await connection.replace(DB.id, {}, {}, version=before["resourceVersion"])
        assert (await backend.fetch([DB]))[DB].data == b'{"password":"theirs"}'  # type: ignore[union-attr]
        assert await backend.put(DB.id, b'{"a": "b"}', {})
        assert (await backend.fetch([DB]))[DB].data == b'{"a":"b"}'  # type: ignore[union-attr]
