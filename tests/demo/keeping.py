"""Everything is started and left running, for whoever wants to try things."""

import os
import sysconfig
import time

from tests.controlplane.binaries import Binaries
from tests.controlplane.plane import KubectlFailed
from tests.demo import account, story, writing
from tests.demo.scene import NotTrue, Scene
from tests.demo.screen import Screen
from tests.demo.stage import apply_examples, opened

TO_TRY = (
    ("What is in sync, and if not, why?", "kubectl get externalsecrets -A -o wide"),
    ("Delete a Secret: it is back at once.", "kubectl delete secret database -n team-a"),
    ("Ask for something else: the Secret follows.", "kubectl edit externalsecret database -n team-a"),
    ("Every field explains itself.", "kubectl explain externalsecret.spec.dataFrom.find"),
    ("Write into team-b's own store.", "printf 'a new license' | keyferry secret put license --store own -n team-b"),
)
ROTATION = f"aws secretsmanager put-secret-value --secret-id {account.SECRETS[3].name} --secret-string 'a new token'"


def keep(screen: Screen, found: Binaries, patience: float) -> int:
    """Run until Ctrl-C; a return is a failure."""
    screen.heading("Starting")
    with opened(screen, found) as stage:
        scene = Scene(stage, screen, patience)
        try:
            with screen.doing("examples/: applied, and a value put into team-b's own store"):
                apply_examples(stage)
                writing.put_license(scene)
            scene.until(
                "the Secrets are there",
                lambda: story.filled(scene) and scene.secret("team-b", "license"),
                within=story.ARRIVAL,
            )
            _tell(scene)
            _wait(scene)
        except (NotTrue, KubectlFailed) as failure:
            scene.explain(failure)
    return 1


def _wait(scene: Scene) -> None:
    """Ctrl-C ends it."""
    while scene.stage.operator.running:
        time.sleep(0.2)
    raise NotTrue("The operator has ended, and nobody told it to")


def _tell(scene: Scene) -> None:
    """What to type, and where to look."""
    screen, stage = scene.screen, scene.stage
    screen.heading("It runs until Ctrl-C. In another terminal:")
    folders = [str(stage.plane.binaries.kubectl.parent), sysconfig.get_path("scripts"), "$PATH"]
    for name, value in (writing.environment(scene) | {"PATH": os.pathsep.join(folders)}).items():
        screen.line(f"export {name}={value}")
    screen.heading("To try there:")
    for why, command in TO_TRY:
        screen.say(why)
        screen.line(command)
    screen.heading("The stand-in for AWS obeys the AWS command line:")
    admin = stage.aws.admin
    screen.line(f"export AWS_ENDPOINT_URL={stage.aws.url} AWS_DEFAULT_REGION={stage.aws.region}")
    screen.line(f"export AWS_ACCESS_KEY_ID={admin.id} AWS_SECRET_ACCESS_KEY={admin.secret}")
    screen.line(ROTATION)
    screen.heading("To watch:")
    screen.line(f"tail -f {stage.operator.folder / 'log'}")
    screen.line(f"curl {stage.operator.address}/metrics")
