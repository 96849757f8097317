"""Why a goal is not reached, by people. A pattern of `scenario: figure` and what is known about it."""

from fnmatch import fnmatchcase

REASONS = {
    "*first sync*: all in sync*": "Before each Secret is created it is looked for with a request of its own, which "
    "keeps a stranger's Secret from being touched even for a moment; the bare minimum does not ask. It is a third of "
    "all requests.",
    "refresh, nothing changed: CPU*": "Every ExternalSecret is a task, a look into the snapshot and a new due time of "
    "its own, also where the sweep has found nothing new at all.",
    "*rotated*: calls for values": "Who finds a new version waits a moment for company. Where the machine is busy the "
    "looks of a thousand take longer than that moment, and a batch leaves with room in it.",
    "backend throttles*callsPerSecond 1000: calls refused*": "A store that is allowed 20 times what its backend bears "
    "finds that out by going over it: the budget halves, gives 2 % back with each good call, and is soon there again.",
    "backend down*: all in sync*": "The store is tried again up to 4.8 s after its return; only then a thousand "
    "statuses are written, which takes its time, too.",
}


def reason(scenario: str, what: str) -> str:
    """What is known, or that nothing is."""
    named = f"{scenario}: {what}"
    return next((text for pattern, text in REASONS.items() if fnmatchcase(named, pattern)), "Not looked into yet.")
