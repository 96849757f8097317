"""What becomes of an API server's bad days, and of logins that are none: told by the stand-in over TLS."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from keyferry.api.providers.kubernetes import Kubernetes
from keyferry.backends.base import Heard
from keyferry.backends.kubernetes import KubernetesBackend, create
from keyferry.errors import (
    AuthFailed,
    BackendUnavailable,
    CredentialsMissing,
    PermissionDenied,
    SecretMissing,
    SpecInvalid,
    SyncError,
    Throttled,
)
from keyferry.values import ApiServer, Fetched, Ref, Scope, Value
from tests.contract.context import SeededCluster, context
from tests.servers import certificates
from tests.standins.api_server import ApiServerStandIn, Asked, Says, api_server

DB = Ref("db")
SECRET = {"metadata": {"name": "db", "resourceVersion": "7"}, "data": {"password": base64.b64encode(b"v").decode()}}
LIST = {"metadata": {"resourceVersion": "7"}, "items": []}
ACCOUNT = {"method": "ServiceAccount", "serviceAccountRef": {"name": "reader"}}
TOKEN = {"method": "Token", "secretRef": {"name": "login", "key": "token"}}
CERTIFICATE = {"method": "Certificate", "secretRef": {"name": "login", "key": "tls.crt"}}
KUBECONFIG = {"method": "Kubeconfig", "secretRef": {"name": "login", "key": "config"}}


@dataclass
class World:
    """The stand-in, what it says, and stores on it."""

    stack: AsyncExitStack
    folder: Path

    async def server(self, answer: Callable[[Asked], Says], *, ask: bool = False, **dated: Any) -> ApiServerStandIn:
        """`ask`: for a client certificate of the folder `client`. `dated`: as for a certificate."""
        self.authority = certificates.write(self.folder, **dated)
        trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        trust.load_cert_chain(self.folder / "apiserver.crt", self.folder / "apiserver.key")
        if ask:
            (self.folder / "client").mkdir()
            authority = certificates.write(self.folder / "client")
            trust.load_verify_locations(cadata=authority.decode())
            trust.verify_mode = ssl.CERT_REQUIRED
        self.standin = await self.stack.enter_async_context(api_server(answer, trust))
        return self.standin

    def part(self, name: str) -> bytes:
        """The client's certificate or key."""
        return (self.folder / "client" / name).read_bytes()

    def store(
        self, auth: dict[str, Any], held: dict[str, bytes] | None = None, *, spec: Any = None, **surroundings: Any
    ) -> KubernetesBackend:
        cluster = SeededCluster({"login": held or {"token": b"held"}, "ca": {"ca.crt": self.authority}})
        cluster.token_for = surroundings.pop("token_for", cluster.token_for)
        cluster.server = ApiServer(self.standin.url, self.authority)
        said = {"remoteNamespace": "source", "auth": auth} | (spec or {})
        made = create(Kubernetes.model_validate(said), context(cluster=cluster, **surroundings))
        self.stack.push_async_callback(made.aclose)
        return made


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(stack, tmp_path)


def always(says: Says) -> Callable[[Asked], Says]:
    return lambda _: says


async def read(backend: KubernetesBackend) -> Fetched:
    return (await backend.fetch([DB]))[DB]


@pytest.mark.parametrize(
    ("says", "kind", "words"),
    [
        (Says(302, {}, {"Location": "http://169.254.169.254/"}), SpecInvalid, "where Keyferry does not follow"),
        (Says(401, {}), AuthFailed, "does not accept the token in Secret payments/login, key token"),
        (Says(403, {}), PermissionDenied, "is not allowed get on Secret source/db: grant that in a Role"),
        (Says(404, {}), SecretMissing, "there is no Secret source/db"),
        (Says(500, {}), BackendUnavailable, "fails at GetSecret (status 500)"),
        (Says(418, {}), BackendUnavailable, "(status 418)"),
        (Says(200, "a page of some proxy's"), BackendUnavailable, "does not understand"),
        (Says(200, []), BackendUnavailable, "does not understand"),
        (Says(200, {"data": {"password": "canary"}}), BackendUnavailable, "what is no Secret"),
        (Says(200, {**SECRET, "data": {"password": "?"}}), BackendUnavailable, "what is no Secret"),
    ],
    ids=["moved", "401", "403", "404", "500", "418", "no JSON", "no object", "no metadata", "no Base64"],
)
async def test_each_answer_has_its_error(world: World, says: Says, kind: type[SyncError], words: str):
    standin = await world.server(always(says))
    answer = await read(world.store(TOKEN))
    assert isinstance(answer, kind)
    assert words in str(answer)
    assert "canary" not in str(answer)
    assert {each.path for each in standin.asked} == {"/api/v1/namespaces/source/secrets/db"}


async def test_a_server_that_asks_for_patience_gets_it(world: World):
    await world.server(always(Says(429, {}, {"Retry-After": "7"})))
    answer = await read(world.store(TOKEN))
    assert isinstance(answer, Throttled)
    assert answer.retry_after == 7


async def test_only_the_given_authority_is_trusted(world: World):
    await world.server(always(Says(200, SECRET)))
    (world.folder / "other").mkdir()
    other = certificates.write(world.folder / "other")
    server = {"url": world.standin.url, "caProvider": {"type": "Secret", "name": "login", "key": "ca"}}
    store = world.store(TOKEN, {"token": b"held", "ca": other}, spec={"server": server})
    with pytest.raises(BackendUnavailable, match="an authority that is not trusted: name the right one"):
        await store.check()
    assert world.standin.asked == []


async def test_a_service_accounts_token_is_replaced_once_where_it_is_refused(world: World):
    standin = await world.server(
        lambda asked: Says(200, SECRET) if asked.authorization == "Bearer second" else Says(401, {})
    )
    tokens = iter(["first", "second", "third"])
    audiences = []

    def token_for(_: object, audience: str) -> str:
        audiences.append(audience)
        return next(tokens)

    store = world.store(ACCOUNT, token_for=token_for)
    assert isinstance(await read(store), Value)
    assert isinstance(await read(store), Value)
    assert [each.authorization for each in standin.asked] == ["Bearer first", "Bearer second", "Bearer second"]
    assert audiences == ["", ""]


async def test_a_second_refusal_is_told(world: World):
    standin = await world.server(always(Says(401, {})))
    answer = await read(world.store(ACCOUNT, token_for=lambda _, __: "some"))
    assert isinstance(answer, AuthFailed)
    assert "does not accept ServiceAccount payments/reader" in str(answer)
    assert len(standin.asked) == 2


async def test_a_service_accounts_token_goes_to_no_other_server(world: World):
    standin = await world.server(always(Says(200, SECRET)))
    auth, server = dict(ACCOUNT), {"url": standin.url}
    answer = await read(world.store(auth, spec={"server": server}, token_for=lambda _, __: "some"))
    assert isinstance(answer, SpecInvalid)
    assert standin.asked == []


@pytest.mark.parametrize("apart", [True, False], ids=["tls.key beside it", "in one text"])
async def test_a_certificate_logs_in(world: World, *, apart: bool):
    standin = await world.server(always(Says(200, SECRET)), ask=True)
    certificate, key = world.part("apiserver.crt"), world.part("apiserver.key")
    held = {"tls.crt": certificate, "tls.key": key} if apart else {"tls.crt": key + certificate}
    assert isinstance(await read(world.store(CERTIFICATE, held)), Value)
    assert [(each.certificate, each.authorization) for each in standin.asked] == [("keyferry test server", "")]


async def test_a_kubeconfig_with_a_certificate_logs_in(world: World):
    standin = await world.server(always(Says(200, SECRET)), ask=True)
    coded = {name: base64.b64encode(world.part(f"apiserver.{name}")).decode() for name in ("crt", "key")}
    config = kubeconfig(
        {"server": standin.url, "certificate-authority-data": base64.b64encode(world.authority).decode()},
        {"client-certificate-data": coded["crt"], "client-key-data": coded["key"]},
    )
    assert isinstance(await read(world.store(KUBECONFIG, {"config": config})), Value)
    assert {each.certificate for each in standin.asked} == {"keyferry test server"}


def kubeconfig(cluster: dict[str, Any], user: dict[str, Any]) -> bytes:
    named = {"clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": user}]}
    context_ = {"contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "current-context": "x"}
    return json.dumps(named | context_).encode()


@pytest.mark.parametrize(
    ("auth", "held", "kind", "words"),
    [
        (TOKEN, {"token": b"two words"}, CredentialsMissing, "login, key token holds no token"),
        (TOKEN, {"token": "žluť".encode()}, CredentialsMissing, "must be one word in ASCII"),
        (TOKEN, {"other": b"x"}, CredentialsMissing, "login has no key token"),
        (CERTIFICATE, {"tls.crt": b"no PEM", "tls.key": b"x"}, CredentialsMissing, "no certificate in PEM"),
        (KUBECONFIG, {"config": b"[]"}, CredentialsMissing, "holds no kubeconfig"),
        (ACCOUNT, {"token": b"x"}, CredentialsMissing, "no such ServiceAccount"),
    ],
    ids=["two words", "no ASCII", "no key", "no certificate", "no kubeconfig", "no account"],
)
async def test_a_login_that_is_none_is_told(
    world: World, auth: dict[str, Any], held: dict[str, bytes], kind: type[SyncError], words: str
):
    standin = await world.server(always(Says(200, SECRET)))
    answer = await read(world.store(auth, held))
    assert isinstance(answer, kind)
    assert words in str(answer)
    assert standin.asked == []


async def test_a_server_that_was_not_allowed_is_not_asked(world: World):
    standin = await world.server(always(Says(200, SECRET)))
    config = kubeconfig({"server": standin.url}, {"token": "t"})
    stores = [
        world.store(TOKEN, spec={"server": {"url": standin.url}}, endpoint_allowed=lambda _: False),
        world.store(KUBECONFIG, {"config": config}, endpoint_allowed=lambda _: False),
    ]
    for store in stores:
        answer = await read(store)
        assert isinstance(answer, SpecInvalid)
        assert "may not send requests to" in str(answer)
    assert standin.asked == []


def event(name: str, kind: str = "MODIFIED", version: str = "8") -> dict[str, Any]:
    return {"type": kind, "object": {"metadata": {"name": name, "resourceVersion": version}}}


GONE = {"type": "ERROR", "object": {"kind": "Status", "code": 410}}


async def heard(world: World, *watches: list[Any], scope: Scope | None = None) -> list[Heard | SyncError]:
    """The words that come of these watches, until it breaks: each ends after its events."""
    told = list(watches)

    def answer(asked: Asked) -> Says:
        if asked.watch:
            return Says(events=told.pop(0)) if told else Says(403, {})
        return Says(200, LIST)

    await world.server(answer)
    store = world.store(TOKEN, scope=scope or Scope())
    words: list[Heard | SyncError] = []
    try:
        async with asyncio.timeout(10), aclosing(store.hints()) as hints:
            while (word := await anext(hints, None)) is not None:
                words.append(word)
    except SyncError as broken:
        words.append(broken)
    return words


async def test_each_event_is_a_change_and_a_bookmark_is_none(world: World):
    *words, broken = await heard(world, [event("db", "ADDED"), event("", "BOOKMARK"), event("db", "DELETED")])
    assert words == [Heard.NOTHING, Heard.CHANGE, Heard.NOTHING, Heard.CHANGE]
    assert isinstance(broken, BackendUnavailable)  # it ended at once
    (listed, watched) = world.standin.asked
    assert (listed.query["limit"], watched.query["resourceVersion"]) == ("1", "7")
    assert "PartialObjectMetadata" in listed.accept
    assert "PartialObjectMetadata" in watched.accept


async def test_what_is_outside_of_the_prefix_is_no_change(world: World):
    words = await heard(world, [event("acme-db"), event("other")], scope=Scope(name_prefix="acme-"))
    assert words[:3] == [Heard.NOTHING, Heard.CHANGE, Heard.NOTHING]


async def test_only_what_the_labels_select_is_watched(world: World):
    await heard(world, [], scope=Scope(tags={"namespace": "", "key": "", "prefix": "acme"}))
    assert world.standin.asked[-1].query["labelSelector"] == "key,namespace,prefix=acme"


async def test_a_watch_that_is_too_old_begins_anew_and_says_that_something_was_missed(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("keyferry.backends.kubernetes.connection._HASTY_SECONDS", 0.0)
    words = await heard(world, [GONE], [event("db")])
    assert words[:3] == [Heard.NOTHING, Heard.CHANGE, Heard.CHANGE]
    assert isinstance(words[-1], PermissionDenied)
    assert [each.query["resourceVersion"] for each in world.standin.asked if each.watch] == ["7", "7", "8"]


async def test_a_watch_that_is_not_allowed_names_the_verb(world: World):
    (broken,) = await heard(world)
    assert isinstance(broken, PermissionDenied)
    assert "is not allowed watch on secrets in namespace source" in str(broken)


async def test_who_still_asks_when_the_connection_is_let_go_is_told_to_come_again(world: World):
    await world.server(always(Says(200, SECRET)))
    store = world.store(TOKEN)
    connection = await store._connection.get()
    await store._connection.let_go()
    with pytest.raises(BackendUnavailable, match="the next try uses the new one"):
        await connection.one("db")
    assert isinstance(await read(store), Value)


@pytest.mark.parametrize(
    "item", [{}, {"metadata": []}, {"metadata": {"name": 1}}, {"metadata": {"name": "a"}}, "canary"]
)
async def test_a_list_that_makes_no_sense_is_no_catalogue_and_holds_no_values(world: World, item: Any):
    await world.server(always(Says(200, {**LIST, "items": [item]})))
    store = world.store(TOKEN)
    with pytest.raises(BackendUnavailable, match="what answers is no API server"):
        assert [entry async for entry in store.entries(Scope())] == []
    store._known = 1
    refs = [Ref(f"n{number}") for number in range(30)]
    got = await store.fetch(refs)
    assert {type(answer) for answer in got.values()} == {BackendUnavailable}
