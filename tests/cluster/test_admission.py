"""What the API server keeps the operator's ServiceAccount from doing, whatever the program in its pod may want."""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.controlplane import ControlPlane, install, render_chart, uninstall
from tests.controlplane.plane import KubectlFailed

OWNER, ADOPT = "keyferry.dev/external-secret", "keyferry.dev/adopt"
ALLOWS, API_SERVER = "keyferry.dev/allow-tokens-for", "https://kubernetes.default.svc"
NOT_NAMED = "only for audiences that their annotation keyferry.dev/allow-tokens-for names"
OURS = {OWNER: "db"}
WITHIN = 30.0


@dataclass
class Namespace:
    """The operator's own, and what comes of requests there in its name."""

    plane: ControlPlane
    name: str

    def kubectl(self, *arguments: str, **more: Any) -> str:
        return self.plane.kubectl(*arguments, f"--namespace={self.name}", **more)

    def make(self, **secret: Any) -> str:
        """A Secret that somebody else makes; its name."""
        manifest = made(**secret)
        self.kubectl("create", "--filename=-", stdin=json.dumps(manifest))
        return str(manifest["metadata"]["name"])

    def refusal(self, *arguments: str, **more: Any) -> str:
        """What the API server says to the operator; empty where it does as it is told."""
        try:
            self.kubectl(*arguments, f"--as=system:serviceaccount:{self.name}:{self.name}", **more)
        except KubectlFailed as failed:
            return str(failed)
        return ""

    def account(self, audiences: str = "") -> str:
        """A ServiceAccount that allows tokens for these audiences; its name."""
        name = f"a-{uuid.uuid4().hex[:8]}"
        annotations = {ALLOWS: audiences} if audiences else {}
        manifest = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "annotations": annotations},
        }
        self.kubectl("create", "--filename=-", stdin=json.dumps(manifest))
        return name

    def token(self, account: str, *arguments: str) -> str:
        """What comes of the operator's asking for its token: empty where it gets one."""
        return self.refusal("create", "token", account, *arguments)

    def applied(self, manifest: dict[str, Any]) -> str:
        """The same of an apply."""
        flags = ("--server-side", "--force-conflicts", "--field-manager=keyferry:db", "--filename=-")
        return self.refusal("apply", *flags, stdin=json.dumps(manifest))


def made(name: str = "", type_: str = "Opaque", **metadata: Any) -> dict[str, Any]:
    """A Secret."""
    named = {"name": name or f"s-{uuid.uuid4().hex[:8]}", **metadata}
    return {"apiVersion": "v1", "kind": "Secret", "type": type_, "metadata": named, "stringData": {"k": "v"}}


def owner(**other: str) -> dict[str, str]:
    """As an ExternalSecret is named by what belongs to it."""
    return {"apiVersion": "keyferry.dev/v1alpha1", "kind": "ExternalSecret", "name": "db", "uid": "1-2-3"} | other


@pytest.fixture(scope="module")
def namespace(plane: ControlPlane, crds: None) -> Iterator[Namespace]:
    """The chart's ServiceAccount, rights and policy, without a pod."""
    name = f"admission-{uuid.uuid4().hex[:8]}"
    rendered = render_chart(plane.binaries, {"crds": {"install": False}}, release=name, namespace=name)
    manifests = [each for each in rendered if each["kind"] not in ("Deployment", "Service")]
    install(plane, manifests)
    made_there = Namespace(plane, name)
    until = time.monotonic() + WITHIN
    while not made_there.applied(made("nobodys")):  # a policy holds a moment after it was made
        assert time.monotonic() < until
        made_there.kubectl("delete", "secret", "nobodys")
    yield made_there
    uninstall(plane, manifests)
    plane.request("DELETE", f"/api/v1/namespaces/{name}")


def test_it_makes_changes_and_deletes_its_own(namespace: Namespace):
    ours = made(annotations=OURS)

    assert namespace.applied(ours) == ""
    assert namespace.applied(ours | {"stringData": {"k": "new"}}) == ""
    assert namespace.refusal("delete", "secret", ours["metadata"]["name"]) == ""


@pytest.mark.parametrize(
    "type_", ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token", "helm.sh/release.v1"]
)
def test_no_secret_that_grants_rights_is_made(namespace: Namespace, type_: str):
    manifest = made(type_=type_, annotations={**OURS, "kubernetes.io/service-account.name": namespace.name})

    assert "writes and deletes no Secret of a type that grants rights" in namespace.applied(manifest)


def test_no_secret_is_made_that_does_not_say_whose_it_is(namespace: Namespace):
    assert "makes only Secrets that say in keyferry.dev/external-secret" in namespace.applied(made())


@pytest.mark.parametrize(
    "other",
    [{"kind": "Secret", "apiVersion": "v1"}, {"apiVersion": "external-secrets.io/v1"}, {"name": "another"}],
    ids=["kind", "group", "name"],
)
def test_a_secret_cannot_belong_to_anything_but_its_external_secret(namespace: Namespace, other: dict[str, str]):
    """Who owns a Secret decides when it is collected as garbage."""
    manifest = made(annotations=OURS, ownerReferences=[owner(**other)])

    assert "has no owner but the ExternalSecret that it names" in namespace.applied(manifest)


def test_nobody_elses_secret_is_deleted(namespace: Namespace):
    name = namespace.make()

    assert "deletes only Secrets that say" in namespace.refusal("delete", "secret", name)


@pytest.mark.parametrize(
    "change",
    [{"annotations": OURS}, {"annotations": OURS, "ownerReferences": [owner()]}, {"finalizers": ["example.com/stay"]}],
    ids=["takes it", "owns it", "holds it"],
)
def test_nobody_elses_secret_is_taken(namespace: Namespace, change: dict[str, Any]):
    name = namespace.make()

    assert "merges keys into a Secret that is not its own" in namespace.applied(made(name, **change))


def test_one_that_is_offered_is_taken(namespace: Namespace):
    name = namespace.make(annotations={ADOPT: "true"})

    assert namespace.applied(made(name, annotations=OURS, ownerReferences=[owner()])) == ""


def test_keys_are_merged_into_another_secret_and_taken_back(namespace: Namespace):
    name = namespace.make()
    merged = made(name, labels={"team": "a"})
    del merged["type"]

    assert namespace.applied(merged | {"stringData": {"more": "v"}}) == ""
    assert namespace.applied(made(name) | {"stringData": {}}) == ""


def test_a_service_accounts_token_is_not_even_merged_into(namespace: Namespace):
    name = namespace.make(
        type_="kubernetes.io/service-account-token", annotations={"kubernetes.io/service-account.name": namespace.name}
    )
    merged = made(name, type_="kubernetes.io/service-account-token")

    assert "no Secret of a type that grants rights" in namespace.applied(merged)


@pytest.mark.parametrize("allowed", ["vault", "sts.amazonaws.com, vault"])
def test_it_gets_a_token_for_an_audience_that_the_account_names(namespace: Namespace, allowed: str):
    account = namespace.account(allowed)

    assert namespace.token(account, "--audience=vault", "--duration=1h") == ""


def test_it_gets_a_token_for_the_api_server_where_the_account_says_so(namespace: Namespace):
    assert namespace.token(namespace.account(API_SERVER)) == ""


@pytest.mark.parametrize(
    ("allowed", "asked"),
    [
        ("", ["--audience=vault"]),
        ("", []),
        ("vault", ["--audience=sts.amazonaws.com"]),
        ("vault", ["--audience=vault", "--audience=sts.amazonaws.com"]),
        ("vault", [f"--audience={API_SERVER}"]),
        ("vault", []),
        ("vault-2", ["--audience=vault"]),
    ],
    ids=[
        "no annotation",
        "the API server's, no annotation",
        "another",
        "one of two",
        "the API server's, named",
        "the API server's",
        "a longer one",
    ],
)
def test_it_gets_no_token_for_any_other_audience(namespace: Namespace, allowed: str, asked: list[str]):
    namespace.account("vault, sts.amazonaws.com")  # what another allows counts for that one only
    namespace.account(API_SERVER)

    assert NOT_NAMED in namespace.token(namespace.account(allowed), *asked)


def test_it_gets_no_token_of_its_own_account(namespace: Namespace):
    assert NOT_NAMED in namespace.token(namespace.name)


def test_it_gets_no_token_that_holds_for_long_or_is_bound(namespace: Namespace):
    account, secret = namespace.account("vault"), namespace.make()
    bound = (f"--bound-object-name={secret}", "--bound-object-kind=Secret")

    assert "hold for an hour at most" in namespace.token(account, "--audience=vault", "--duration=61m")
    assert "are bound to nothing" in namespace.token(account, "--audience=vault", *bound)


def test_others_get_what_tokens_they_like(namespace: Namespace):
    assert namespace.kubectl("create", "token", namespace.account(), "--duration=24h")


def test_others_are_left_alone(namespace: Namespace):
    name = namespace.make(type_="helm.sh/release.v1")

    namespace.kubectl("delete", "secret", name)


def test_without_the_policy_nothing_of_it_is_rendered(plane: ControlPlane):
    rendered = render_chart(plane.binaries, {"admissionPolicy": {"enabled": False}})

    assert not [each for each in rendered if each["kind"].startswith("ValidatingAdmission")]
