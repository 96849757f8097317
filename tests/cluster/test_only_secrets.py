"""The operator that may touch, of a namespace's Secrets, only those that are named, with the chart's Role for these."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.manifests import aws_login, aws_provider, external_secret, secret, secret_store
from tests.cluster.world import World, path_of, world_of
from tests.controlplane import ControlPlane, render_chart
from tests.controlplane.api import Api, RequestFailed
from tests.controlplane.chart import HelmFailed
from tests.controlplane.plane import KubectlFailed
from tests.standins.aws import AwsStandIn

SOON = 10.0  # seconds, where the interval is an hour
VALUE = "c2VjcmV0"
MERGE = "application/merge-patch+json"


@dataclass(slots=True)
class Own:
    """A namespace where the operator may touch the Secrets db and aws-login, and nothing else."""

    world: World
    aws: AwsStandIn
    namespace: str

    def store(self, name: str, login: str) -> None:
        provider = aws_provider(self.aws, self.namespace, login, cluster=False)
        self.world.apply(secret_store(self.namespace, name, provider, prefix=f"{self.namespace}/"))

    def declare(self, name: str = "db", **spec: Any) -> None:
        spec = {"store": "own", "kind": "SecretStore", "every": "1h"} | spec
        self.world.apply(external_secret(self.namespace, name, **spec))

    def asked(self, method: str, namespace: str, account: str, path: str, *more: Any) -> Any:
        """The API server's answer to a ServiceAccount."""
        plane = self.world.plane
        api = Api(plane.url, plane.ca_file, plane.service_account_token(namespace, account))
        try:
            return api.request(method, path, *more)
        finally:
            api.close()

    def listed(self, *account: str) -> Any:
        """A list of one, as a ServiceAccount gets it."""
        one = f"{path_of('Secret', self.namespace)}?fieldSelector=metadata.name%3Dstrange"
        return self.asked("GET", *account, one)

    def patched(self, *account: str) -> Any:
        """The Secret as a patch of nothing gives it back."""
        return self.asked("PATCH", *account, path_of("Secret", self.namespace, "strange"), {}, MERGE)

    def refusal(self, *arguments: str, **more: Any) -> str:
        """What the API server says to the operator's ServiceAccount; empty where it does as it is told."""
        who = f"--as={self.world.operator.user}"
        try:
            said = self.world.plane.kubectl(*arguments, who, f"--namespace={self.namespace}", **more)
        except KubectlFailed as failed:
            return str(failed)
        assert VALUE not in said
        return ""


@pytest.fixture(scope="module")
def own(plane: ControlPlane, crds: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    """With a store that is ready, and a value in the backend."""
    namespace = f"one-{uuid.uuid4().hex[:8]}"
    values = {"namespaces": [namespace], "secretNames": {namespace: ["db", "aws-login"]}}
    with world_of(plane, tmp_path_factory.mktemp("operator"), values) as world, AwsStandIn() as aws:
        world.namespaces.append(namespace)  # which the installation has made
        made = Own(world, aws, namespace)
        world.apply(aws_login(namespace, aws.admin), secret(namespace, "strange", {"k": "secret"}))
        made.store("own", "aws-login")
        aws.put(f"{namespace}/db", "first")
        world.start()
        yield made


def test_its_secrets_are_made_kept_true_and_deleted_by_the_rights_to_them_alone(own: Own):
    world, namespace = own.world, own.namespace
    own.declare(every="1s", target={"deletionPolicy": "Delete"})
    world.await_secret(namespace, "db", {"value": b"first"})
    own.aws.put(f"{namespace}/db", "second")
    world.await_secret(namespace, "db", {"value": b"second"})
    own.declare(target={"deletionPolicy": "Delete"})

    world.patch("Secret", namespace, "db", {"data": {"value": "bm8="}})
    world.await_secret(namespace, "db", {"value": b"second"}, within=SOON)
    world.delete("Secret", namespace, "db")
    world.await_secret(namespace, "db", {"value": b"second"}, within=SOON)

    own.declare(every="1s", target={"deletionPolicy": "Delete"})
    own.aws.delete(f"{namespace}/db")
    world.eventually(lambda: world.secret(namespace, "db") is None, what="the Secret to go with its source")
    own.aws.put(f"{namespace}/db", "first")
    world.await_secret(namespace, "db", {"value": b"first"})
    assert "403" not in world.operator.log


def test_a_new_login_is_noticed(own: Own):
    reader = own.aws.iam.user("reader")
    own.world.apply(aws_login(own.namespace, type(reader)(reader.id, "wrong")))
    own.world.await_ready(own.namespace, "own", "AuthFailed", kind="SecretStore")
    own.world.apply(aws_login(own.namespace, reader))
    own.world.await_ready(own.namespace, "own", "Ready", kind="SecretStore", within=SOON)


@pytest.mark.parametrize(
    "arguments",
    [
        ("get", "secret", "strange", "--output=json"),
        ("get", "secrets", "--output=json"),
        ("get", "secrets", "--field-selector=metadata.name=strange", "--output=json"),
        ("get", "secrets", "--watch", "--request-timeout=1s"),
        ("delete", "secret", "strange", "--wait=false"),
        ("create", "secret", "generic", "new"),
    ],
    ids=["get", "list", "a list of one", "watch", "delete", "create"],
)
def test_no_other_can_be_read_changed_or_made_whatever_the_program_wants(own: Own, arguments: tuple[str, ...]):
    assert "forbidden" in own.refusal(*arguments).lower()


def test_no_other_can_be_read_by_a_patch_that_changes_nothing(own: Own):
    _, _, *operator = own.world.operator.user.split(":")

    with pytest.raises(RequestFailed, match="403"):
        own.patched(*operator)


def test_no_other_can_be_made_by_an_apply(own: Own):
    made = secret(own.namespace, "new", {"k": "v"})
    said = own.refusal("apply", "--server-side", "--field-manager=keyferry:new", "--filename=-", stdin=json.dumps(made))
    assert "forbidden" in said.lower()


def test_another_target_is_told_and_so_is_another_login(own: Own):
    own.declare("other")
    said = own.world.await_ready(own.namespace, "other", "KubernetesForbidden").message
    assert f"Secret {own.namespace}/other is none of those that Keyferry may touch in namespace {own.namespace}" in said
    own.store("strangers", "strange")
    said = own.world.await_ready(own.namespace, "strangers", "KubernetesForbidden", kind="SecretStore").message
    assert f"403 Forbidden to GET secrets {own.namespace}/strange" in said
    own.world.delete("SecretStore", own.namespace, "strangers")
    own.world.delete("ExternalSecret", own.namespace, "other")


def test_secrets_of_a_namespace_that_it_does_not_work_in_cannot_be_named(plane: ControlPlane):
    with pytest.raises(HelmFailed, match="secretNames: shop is none of the namespaces"):
        render_chart(plane.binaries, {"namespaces": ["payments"], "secretNames": {"shop": ["db"]}})


@pytest.mark.parametrize("verb", ["list", "patch"])
def test_whoever_may_list_or_patch_a_secret_reads_it_without_a_right_to_get(own: Own, verb: str):
    """Why nothing is gained by narrowing `get` alone, which docs/rights.md says."""
    plane, who, in_it = own.world.plane, f"may-{verb}", f"--namespace={own.namespace}"
    own.world.account(own.namespace, who)
    plane.kubectl("create", "role", who, f"--verb={verb}", "--resource=secrets", in_it)
    plane.kubectl("create", "rolebinding", who, f"--role={who}", f"--serviceaccount={own.namespace}:{who}", in_it)
    ask = {"list": own.listed, "patch": own.patched}[verb]

    def read() -> bool:
        try:
            return VALUE in json.dumps(ask(own.namespace, who))
        except RequestFailed:
            return False

    own.world.eventually(read, what=f"a right to {verb} to show a value")
    with pytest.raises(RequestFailed):
        own.asked("GET", own.namespace, who, path_of("Secret", own.namespace, "strange"))
