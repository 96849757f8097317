"""What is shown, step by step."""

import json
import time
from collections.abc import Callable

from tests.demo import account, writing
from tests.demo.scene import Scene, secret_path
from tests.demo.stage import apply_examples

Step = Callable[[Scene], None]

BEAT = 5.0  # refreshInterval of the examples
ARRIVAL = 20.0  # the most that anything may take: a beat, and time for a busy machine
RECOVERY = 10.0  # "within seconds"
AT_ONCE = 3.0  # "at once": without waiting for a beat
DATABASE = secret_path("team-a", "database")
SHOW_PASSWORD = "kubectl get secret database -n team-a -o jsonpath='{.data.password}' | base64 -d"
MERGE = "application/merge-patch+json"


def appear(scene: Scene) -> None:
    """Values become Secrets, by name, as whole objects and by a rule."""
    screen = scene.screen
    screen.say("AWS holds six secrets. Their tags say for whom they are, and under which key:")
    screen.table([
        ("NAME IN AWS", "PREFIX", "NAMESPACE", "KEY"),
        *((each.name, each.prefix, each.namespace, each.key) for each in account.SECRETS),
    ])  # fmt: skip
    screen.say("The files in examples/ declare two stores, and what shall become Secrets of team-a and team-b.")
    screen.command("kubectl apply -f examples/")
    screen.output(apply_examples(scene.stage))
    scene.until("three Secrets hold what AWS holds for their team", lambda: filled(scene), within=ARRIVAL)
    scene.kubectl("kubectl get externalsecrets --all-namespaces")
    screen.say("(`license` reads from a store that nobody has filled yet, and says so. Its turn is next.)")
    screen.say("Every value of this demo is made up, so here is one:")
    scene.kubectl(SHOW_PASSWORD)
    screen.say("And what team-b's rule `^api-` found, of the four keys in AWS that begin so:")
    scene.kubectl("kubectl describe secret api-keys -n team-b")
    screen.say("Of the other two, one is tagged for team-a, and one for another installation (prefix globex).")


def write(scene: Scene) -> None:
    """A store without any cloud, filled from the command line."""
    screen = scene.screen
    screen.say("team-b's own store is a SQLite database that the operator keeps, encrypted. It is empty yet.")
    started = time.monotonic()
    screen.command(writing.COMMAND)
    screen.output(writing.put_license(scene))
    scene.until(
        "team-b's Secret `license` is there (the command's own time is counted)",
        lambda: scene.secret("team-b", "license") == {"license.txt": account.LICENSE},
        within=ARRIVAL,
        since=started,
    )


def keep_apart(scene: Scene) -> None:
    """A namespace gets what the tags give it, and nothing else, whatever it asks for."""
    screen = scene.screen
    screen.say("team-b names team-a's key `db`, and searches for everything with the rule `.` (any character):")
    started = time.monotonic()
    scene.kubectl("kubectl apply -f tests/demo/nosy.yaml")
    scene.until(
        "asked by name: the status says that team-b has no such secret",
        lambda: scene.ready("externalsecrets", "team-b", "nosy-name").reason == "RemoteSecretMissing",
        within=ARRIVAL,
        since=started,
    )
    scene.kubectl("kubectl get externalsecret nosy-name -n team-b -o jsonpath='{.status.conditions[0].message}'")
    scene.claim("and no Secret appears", holds=scene.get(secret_path("team-b", "nosy-name")) is None)
    scene.until(
        "asked by search: it found team-b's own two secrets, and no other",
        lambda: sorted(scene.secret("team-b", "nosy-search")) == ["api-mail", "api-maps"],
        within=ARRIVAL,
        since=started,
    )
    scene.kubectl("kubectl get secrets -n team-b")
    scene.kubectl("kubectl delete -f tests/demo/nosy.yaml")


def rotate(scene: Scene) -> None:
    """A new value in AWS reaches the Secret at the next look."""
    scene.screen.say("In AWS, somebody gives prod/eu/orders-db a new password. Nothing is done in Kubernetes.")
    scene.stage.aws.put(account.DATABASE.name, account.database(account.PASSWORDS[1]))
    scene.until(
        f"the Secret holds the new password (AWS is asked every {BEAT:g} s what changed)",
        lambda: password(scene) == account.PASSWORDS[1],
        within=ARRIVAL,
    )
    scene.kubectl(SHOW_PASSWORD)


def mend(scene: Scene) -> None:
    """What somebody changes by hand is put right at once, without asking AWS."""
    change = {"stringData": {"password": "by hand"}}
    scene.screen.command(f"kubectl patch secret database -n team-a -p '{json.dumps(change, separators=(',', ':'))}'")
    changed = scene.request("PATCH", DATABASE, change, MERGE)
    scene.until(
        "the password is again what it is in AWS",
        lambda: version(scene) != changed["metadata"]["resourceVersion"] and password(scene) == account.PASSWORDS[1],
        within=AT_ONCE,
    )


def restore(scene: Scene) -> None:
    """What somebody deletes comes back."""
    before = scene.request("GET", DATABASE)["metadata"]["uid"]
    scene.screen.command("kubectl delete secret database -n team-a")
    scene.request("DELETE", DATABASE)
    scene.until(
        "the Secret is back, with all that was in it",
        lambda: (
            (scene.get(DATABASE) or {"metadata": {}})["metadata"].get("uid") not in {None, before}
            and scene.secret("team-a", "database") == {"username": "shop", "password": account.PASSWORDS[1]}
        ),
        within=AT_ONCE,
    )


def fail(scene: Scene) -> None:
    """A backend that is down costs no Secret; when it is back, all is well within seconds."""
    screen = scene.screen
    before = version(scene)
    scene.stage.aws.down()
    screen.say("AWS goes down: its address refuses connections.")
    scene.until("the statuses say so", lambda: all(state == "False" for state in of_aws(scene)), within=ARRIVAL)
    scene.kubectl("kubectl get externalsecrets --all-namespaces")
    scene.kubectl("kubectl get clustersecretstore aws -o jsonpath='{.status.conditions[0].message}'")
    scene.claim(
        "the Secrets stay as they are: nobody touched them",
        holds=version(scene) == before and filled(scene, account.PASSWORDS[1]),
    )
    screen.say("While it is down the password is changed once more. Then AWS comes back.")
    scene.stage.aws.put(account.DATABASE.name, account.database(account.PASSWORDS[2]))
    scene.stage.aws.up()
    started = time.monotonic()
    scene.until("the store is ready again", lambda: of_aws(scene)[0] == "True", within=RECOVERY, since=started)
    scene.until(
        "so is everything that reads from it, and the newest password is there",
        lambda: set(of_aws(scene)) == {"True"} and filled(scene, account.PASSWORDS[2]),
        within=RECOVERY,
        since=started,
    )


STEPS: tuple[tuple[str, Step], ...] = (
    ("Values become Secrets", appear),
    ("A value is written into a store without any cloud", write),
    ("One team cannot see the other's", keep_apart),
    ("A rotated value arrives", rotate),
    ("A Secret edited by hand is mended", mend),
    ("A deleted Secret returns", restore),
    ("The backend goes down, and comes back", fail),
)


def filled(scene: Scene, expected: str = account.PASSWORDS[0]) -> bool:
    """Whether the Secrets that come from AWS hold what is there, and nothing else."""
    api = {held.key: held.value for held in account.SECRETS if (held.namespace, held.prefix) == ("team-b", "acme")}
    return (
        scene.secret("team-a", "database") == {"username": "shop", "password": expected}
        and scene.secret("team-a", "shop-settings") == account.SHOP
        and scene.secret("team-b", "api-keys") == api
    )


def password(scene: Scene) -> str:
    """What team-a's Secret holds."""
    return scene.secret("team-a", "database").get("password", "")


def version(scene: Scene) -> str:
    """The resourceVersion of team-a's Secret."""
    return str((scene.get(DATABASE) or {"metadata": {}})["metadata"].get("resourceVersion"))


def of_aws(scene: Scene) -> list[str]:
    """Ready of the store `aws`, then of all that read from it."""
    users = (("team-a", "database"), ("team-a", "shop"), ("team-b", "api-keys"))
    return [
        scene.ready("clustersecretstores", "", "aws").status,
        *(scene.ready("externalsecrets", *each).status for each in users),
    ]
