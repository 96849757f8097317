"""Why a goal is not reached, by people. A pattern of `scenario: figure` and what is known about it."""

from fnmatch import fnmatchcase

REASONS = {
    "*first sync*: all in sync*": "The operator needs more CPU for one than the loop that only writes (reading, "
    "deciding, rendering, AWS's SDK), and the machine's two cores are shared with the API server and etcd. "
    "Six runs on a quiet machine gave 1.35 to 1.50 with 1,000, and three 1.33 to 1.51 with 10,000.",
    "memory at 1,000: resident*": "Some 85 MiB are Python, the SDKs and the TLS of twelve connections, before the "
    "first ExternalSecret (decision 091).",
    "refresh, nothing changed: CPU*": "Every ExternalSecret is a task, a look into the snapshot and a new due time of "
    "its own, also where the sweep has found nothing new at all.",
    "first sync of*: calls for values": "A batch that is not full waits five seconds for others of its store that wait "
    "for a place; where the machine is so busy that nobody comes meanwhile, it leaves with room in it.",
    "backend down*: all in sync*": "The store is tried again up to 2.4 s after its return; only then a thousand "
    "statuses are written.",
}


def reason(scenario: str, what: str) -> str:
    """What is known, or that nothing is."""
    named = f"{scenario}: {what}"
    return next((text for pattern, text in REASONS.items() if fnmatchcase(named, pattern)), "Not looked into yet.")
