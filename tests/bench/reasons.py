"""Why a goal is not reached, by people. A pattern of `scenario: figure` and what is known about it."""

from fnmatch import fnmatchcase

REASONS = {
    "*first sync*: all in sync*": "A quarter of what the operator does is Kopf's machinery for each event (decision "
    "053), and the machine's two cores are shared with the API server, etcd and the measuring itself.",
    "memory at 1,000: resident*": "Some 90 MiB are Python, the SDKs and the TLS of twelve connections, before the "
    "first ExternalSecret.",
    "refresh, nothing changed: CPU*": "Every ExternalSecret is a task, a look into the snapshot and a new due time of "
    "its own, also where the sweep has found nothing new at all.",
    "first sync of 10,000: calls for values": "Whoever got a place later asked alone, and batches left with room in "
    "them. Since this was measured, a batch waits while others of its store wait for a place; not measured again yet.",
    "backend down*: all in sync*": "The store is tried again up to 2.4 s after its return; only then a thousand "
    "statuses are written.",
}


def reason(scenario: str, what: str) -> str:
    """What is known, or that nothing is."""
    named = f"{scenario}: {what}"
    return next((text for pattern, text in REASONS.items() if fnmatchcase(named, pattern)), "Not looked into yet.")
