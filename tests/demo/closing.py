"""How the demo ends: many more ExternalSecrets, a while in which nothing changes, and the bill."""

import json
import time

from tests.demo import account
from tests.demo.bill import Bill, Resources, bill, metrics, parts
from tests.demo.scene import KEYFERRY, KINDS, Scene
from tests.demo.story import ARRIVAL, BEAT, Step

QUIET = 2 * BEAT
MANY = f"{KEYFERRY}/namespaces/{account.MANY[0].namespace}/externalsecrets"


def multiply(scene: Scene) -> None:
    """Many more ExternalSecrets, each with a secret of its own."""
    scene.screen.say(f"{len(account.MANY)} more secrets in AWS, and as many ExternalSecrets in team-a, one for each.")
    for held in account.MANY:
        scene.stage.aws.put(held.name, held.value, held.tags)
    before = bill(scene)
    started = time.monotonic()
    for held in account.MANY:
        scene.request("POST", MANY, _external_secret(held.key))
    scene.until(
        "each has its Secret",
        lambda: _many(scene) == {held.value for held in account.MANY},
        within=3 * ARRIVAL,
        since=started,
    )
    spent = bill(scene) - before
    scene.screen.say(f"AWS was asked: {parts(spent.aws)}.")


def rest(scene: Scene) -> None:
    """While nothing changes, AWS is asked one question for all at each beat; nothing is read, nothing written."""
    screen = scene.screen
    before = _idle(scene)
    screen.say(f"Now for {QUIET:g} s nobody changes anything.")
    time.sleep(QUIET)
    spent = bill(scene) - before
    screen.say(
        f"In this time ExternalSecrets were refreshed {spent.refreshes} times. A call for each would have made "
        f"{spent.refreshes} calls (computed). AWS was asked: {parts(spent.aws) or 'nothing'}; "
        f"SQLite: {parts(spent.sql) or 'nothing'}."
    )
    scene.claim("AWS was only asked what changed; no value was read", holds=set(spent.aws) == {"ListSecrets"})
    scene.claim("nothing was written to the Kubernetes API", holds=not spent.writes)


def _idle(scene: Scene) -> Bill:
    """The bill once nothing has happened for a second, so that what comes is not what was."""
    seen, still_since = bill(scene), time.monotonic()
    while time.monotonic() < still_since + 1:
        time.sleep(0.2)
        if (now := bill(scene)) != seen:
            seen, still_since = now, time.monotonic()
    return seen


STEPS: tuple[tuple[str, Step], ...] = (
    ("Ninety more of them", multiply),
    ("Nothing changes, and that costs next to nothing", rest),
)


def count(scene: Scene) -> None:
    """The bill for all of it, since the operator's start."""
    spent = bill(scene)
    seconds = time.monotonic() - scene.stage.began
    rows = [
        ("calls to AWS", f"{spent.aws.total()}", parts(spent.aws)),
        ("queries in SQLite", f"{spent.sql.total()}", parts(spent.sql)),
        ("if asked one by one", f"{spent.refreshes}", "computed: one call for each refresh of an ExternalSecret"),
        ("writes to Kubernetes", f"{spent.writes.total()}", parts(spent.writes)),
    ]
    if used := Resources.of(scene.stage.operator.pid):
        share = f"{used.seconds / seconds:.0%} of one processor, over {seconds:.0f} s with its start"
        rows.append(("memory", f"{used.memory} MiB", "the operator's process, at most"))
        rows.append(("processor", f"{used.seconds:.1f} s", share))
    scene.screen.table(rows)


def search(scene: Scene) -> None:
    """No value may stand anywhere but in its Secret."""
    places = {
        "log": scene.stage.operator.log,
        "metrics": metrics(scene),
        "events": json.dumps(scene.request("GET", "/api/v1/events")),
        **{kind: json.dumps(scene.request("GET", f"{KEYFERRY}/{kind}")) for kind in KINDS},
    }
    found = sorted(place for place, text in places.items() if any(value in text for value in account.VALUES))
    scene.claim(
        f"none of the {len(account.VALUES)} values stands in the operator's log, a metric, an event or a status"
        + (f" (but in: {', '.join(found)})" if found else ""),
        holds=not found,
    )


def _external_secret(key: str) -> dict[str, object]:
    return {
        "apiVersion": "keyferry.dev/v1alpha1",
        "kind": "ExternalSecret",
        "metadata": {"name": key},
        "spec": {
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": "aws"},
            "refreshInterval": f"{BEAT:g}s",
            "target": {"labels": {"demo": "many"}},
            "data": [{"secretKey": "token", "remoteRef": {"key": key}}],
        },
    }


def _many(scene: Scene) -> set[str]:
    """The values of the many Secrets."""
    path = f"/api/v1/namespaces/{account.MANY[0].namespace}/secrets?labelSelector=demo%3Dmany"
    return {each["token"] for each in scene.secrets(path)}
