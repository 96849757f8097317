"""All that the demo stands on: a Kubernetes API, an AWS account, the chart, the examples, the operator."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.controlplane import Binaries, ControlPlane, DeployedOperator, free_port, install, render_chart
from tests.demo import account
from tests.demo.screen import Screen
from tests.standins.aws import AwsStandIn

EXAMPLES = Path(__file__).parents[2] / "examples"
ENDPOINT_PORT = 14566  # as examples/03-aws-store.yaml has it
READY_WITHIN = 60.0


class ExamplesDiffer(Exception):
    """The examples are not what the demo was written for; the text says where."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs, and where it is."""

    plane: ControlPlane
    aws: AwsStandIn
    operator: DeployedOperator
    data: Path  # where the operator keeps SQLite's files
    began: float  # when the operator was started, by the monotonic clock


@contextlib.contextmanager
def opened(screen: Screen, found: Binaries) -> Iterator[Stage]:
    """Start everything but the examples, telling so. Leaving the context ends it all and leaves nothing behind."""
    with contextlib.ExitStack() as ended:
        with screen.doing("etcd, kube-apiserver and kube-controller-manager: the real ones"):
            plane = ended.enter_context(ControlPlane(found))
        with screen.doing("a stand-in for AWS: an account with Secrets Manager, its permissions and limits"):
            aws = ended.enter_context(_account())
        data = plane.folder / "data"  # goes with the control plane, even if this process is killed
        data.mkdir()
        values = {"listen": {"port": free_port()}, "dataDir": str(data), "log": {"format": "text"}}
        with screen.doing("the chart helm/keyferry: rendered by helm, applied by kubectl"):
            manifests = render_chart(plane.binaries, values)
            install(plane, manifests)
        with screen.doing("the operator: with the Deployment's arguments and its ServiceAccount's rights"):
            operator = ended.enter_context(DeployedOperator(plane, manifests))
            began = time.monotonic()
            operator.start()
            operator.wait_ready(READY_WITHIN)
        yield Stage(plane, aws, operator, data, began)


def apply_examples(stage: Stage) -> str:
    """`kubectl apply -f examples/`; the answer is what it prints."""
    if stage.aws.url.endswith(f":{ENDPOINT_PORT}"):
        return stage.plane.kubectl("apply", "-f", str(EXAMPLES))
    written = f"http://127.0.0.1:{ENDPOINT_PORT}"
    text = "\n---\n".join(path.read_text() for path in sorted(EXAMPLES.glob("*.yaml")))
    return stage.plane.kubectl("apply", "-f", "-", stdin=text.replace(written, stage.aws.url))


def _account() -> AwsStandIn:
    """The stand-in with its secrets and the operator's key, on the examples' port if nobody else is there."""
    try:
        aws = AwsStandIn(port=ENDPOINT_PORT)
    except OSError:
        aws = AwsStandIn()
    key = aws.iam.user("keyferry", account.POLICY)
    login = _example("02-aws-login.yaml")["stringData"]
    if (key.id, key.secret) != (login["access-key-id"], login["secret-access-key"]):
        aws.stop()
        raise ExamplesDiffer(f"examples/02-aws-login.yaml must hold the stand-in's key {key.id} and its secret.")
    for held in account.SECRETS:
        aws.put(held.name, held.value, held.tags)
    return aws


def _example(name: str) -> dict[str, Any]:
    (manifest,) = yaml.safe_load_all((EXAMPLES / name).read_text())
    found: dict[str, Any] = manifest
    return found
