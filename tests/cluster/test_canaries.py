"""Values are nowhere but in their Secrets, whatever befalls them on their way: not in a log, a status, a metric."""

import base64
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.canaries import Canaries, escaped
from tests.cluster.manifests import external_secret, secret, secret_store, sql_provider
from tests.cluster.mode import Reach
from tests.cluster.team import Team, disband, team_in
from tests.cluster.world import World, world_of
from tests.controlplane import ControlPlane
from tests.standins.aws import AwsStandIn
from tests.standins.aws_faults import body, error

pytest_plugins = ["tests.cluster.fixtures"]

SOON = 10.0  # seconds


def test_a_canary_is_known_in_all_its_shapes():
    canaries = Canaries()
    word = canaries.word("one").encode()

    seen = [canaries.found_in(base64.b64encode(b"x" * pad + word + b"tail").decode()) for pad in range(4)]

    assert seen == [["one"]] * 4
    assert canaries.found_in("nothing") == []


@pytest.fixture(scope="module")
def world(plane: ControlPlane, crds: None, tmp_path_factory: pytest.TempPathFactory, reach: Reach) -> Iterator[World]:
    """An operator that logs all that it ever logs."""
    values = {"log": {"level": "debug", "format": "json"}}
    with world_of(plane, tmp_path_factory.mktemp("operator"), values, reach=reach) as made:
        made.start()
        yield made


@pytest.fixture(scope="module")
def canaries() -> Canaries:
    """All words of the module: each test looks for those of the tests before it, too."""
    return Canaries()


@pytest.fixture
def team(world: World, aws: AwsStandIn, canaries: Canaries) -> Iterator[Team]:
    """A team with a ready store, whose login is a canary as well. When its test ends, no canary has escaped."""
    canaries.words["login"] = aws.admin.secret
    yield (made := team_in(world, aws))
    try:
        assert escaped(world, canaries) == {}
    finally:
        disband(made)


def test_values_of_every_form_travel_and_rotate(team, canaries):
    word, member, name = canaries.word("text"), canaries.word("member"), canaries.word("member's name")
    team.put("text", word)
    team.put("json", json.dumps({name: member, "nested": {"a": [member]}}))
    team.put("binary", b"\xff\x00" + canaries.word("binary").encode())
    team.put("coded", base64.b64encode(canaries.word("coded").encode()).decode())
    data = [
        {"secretKey": "text", "remoteRef": {"key": "text"}},
        {"secretKey": "binary", "remoteRef": {"key": "binary"}},
    ]
    data += [{"secretKey": "coded", "remoteRef": {"key": "coded", "decoding": "Base64"}}]
    data += [{"secretKey": "nested", "remoteRef": {"key": "json", "property": "nested.a.0"}}]

    team.declare("all", every="1s", data=data)
    team.declare("members", every="1s", dataFrom=[{"extract": {"key": "json"}}])
    team.says("Synced", "all")
    team.says("Synced", "members")
    for turn in ("rotated", "rotated again"):
        team.put("text", canaries.word(turn))
        team.world.eventually(
            lambda turn=turn: team.world.secret(team.namespace, "all")["text"] == canaries.word(turn).encode()
        )

    team.tamper("all", text=canaries.word("by hand").encode())
    team.world.eventually(
        lambda: team.world.secret(team.namespace, "all")["text"] == canaries.word("rotated again").encode()
    )


@pytest.mark.parametrize(
    ("reason", "value", "spec"),
    [
        ("RemoteSecretMissing", '{"%s": "%s"}', {"data": [{"remoteRef": {"property": "no.such"}}]}),
        ("ValueInvalid", '{"a": "%s", %s', {"data": [{"remoteRef": {"property": "a"}}]}),
        ("ValueInvalid", "%s!%s", {"data": [{"remoteRef": {"decoding": "Base64"}}]}),
        ("ValueInvalid", '["%s", "%s"]', {"dataFrom": [{"extract": {}}]}),
        ("SecretKeyInvalid", '{"a": "%s", "no key %s": ""}', {"dataFrom": [{"extract": {}}]}),
        (
            "SecretKeyInvalid",
            '{"%s ": "", "%s\\t": ""}',
            {"dataFrom": [{"extract": {}, "conversionStrategy": "Error"}]},
        ),
        ("ValueInvalid", '{"a": %s%s}', {"dataFrom": [{"extract": {}}]}),
    ],
    ids=["property", "no JSON", "no Base64", "no object", "member's name", "members' names", "half JSON"],
)
def test_values_that_are_not_what_the_spec_says(team, canaries, reason, value, spec):
    word = canaries.word(uuid.uuid4().hex)
    team.put("bad", value % (word, word))
    for entry in spec.get("data", ()):
        entry |= {"secretKey": "value", "remoteRef": {"key": "bad", **entry["remoteRef"]}}
    for entry in spec.get("dataFrom", ()):
        entry["extract"] = {"key": "bad"}

    team.declare("bad", every="1s", **spec)

    team.says(reason, "bad")


def test_values_that_are_too_large_or_that_the_api_server_refuses(team, canaries):
    for number in range(17):
        team.put(f"large-{number:02}", (canaries.word("large") * 2000)[:65536])
    team.put("tls", canaries.word("no certificate"))

    team.declare("large", dataFrom=[{"find": {"name": {"regexp": "^large-"}}}])
    team.declare("tls", keys={"only-one": "tls"}, target={"type": "kubernetes.io/tls"})

    team.says("SecretTooLarge", "large")
    team.says("TargetRejected", "tls")


@pytest.mark.parametrize("action", ["ListSecrets", "BatchGetSecretValue"])
@pytest.mark.parametrize(
    "how", ["no JSON", "JSON of another shape", "denied", "throttled", "broken", "an unknown error"]
)
def test_answers_that_make_no_sense_and_recite_values(team, canaries, action, how):
    word = canaries.word(uuid.uuid4().hex)
    fault = {
        "no JSON": body(f"<html>{word}</html>".encode()),
        "JSON of another shape": body(json.dumps({"SecretValues": word, "SecretList": {word: word}}).encode()),
        "denied": error("AccessDeniedException", message=f"User: {word} is not authorized to perform: {word}"),
        "throttled": error("ThrottlingException", message=word, retry_after=1),
        "broken": error(word, 500, word),
        "an unknown error": error(word, 400, word),
    }[how]
    team.put("db", word)
    team.store_says("Ready")

    with team.aws.faults.during(action, fault):
        before = team.aws.calls.count(action)
        team.declare(every="1s")
        team.world.eventually(lambda: team.aws.calls.count(action) > before, what="a call that goes wrong")
        team.world.eventually(lambda: team.world.ready(team.namespace, "db").reason, what="a word about it")

    team.holds(value=word.encode(), within=SOON)


def test_a_backend_that_is_down_and_comes_back(team, canaries):
    team.put("db", canaries.word("before"))
    team.declare(every="1s")
    team.says("Synced")

    team.aws.down()
    team.says("BackendUnavailable")
    team.put("db", canaries.word("after"))
    team.aws.up()

    team.holds(value=canaries.word("after").encode())


def test_a_sqlite_key_and_a_login_that_is_refused(team, canaries):
    key, wrong = canaries.word("the SQLite key"), canaries.word("a wrong login")
    team.world.apply(secret(team.namespace, "sql-key", {"key": key}))
    team.world.apply(secret_store(team.namespace, "sql", sql_provider("app", "sql-key")))
    team.world.apply(external_secret(team.namespace, "sql", store="sql", kind="SecretStore"))
    team.says("RemoteSecretMissing", "sql")

    team.world.patch("Secret", team.namespace, "aws-login", {"stringData": {"secret": wrong}})

    team.store_says("AuthFailed")


def test_a_crash_of_the_operator_dumps_no_core(world):
    limits = Path(f"/proc/{world.operator.pid}/limits").read_text()

    (core,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert core.split()[4:6] == ["0", "0"]
