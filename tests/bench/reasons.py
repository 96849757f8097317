"""Why a goal is not reached, by people. A pattern of `scenario: figure` and what is known about it."""

from fnmatch import fnmatchcase

REASONS = {
    "*first sync*: all in sync*": "Before each Secret is created it is looked for with a request of its own, which "
    "keeps a stranger's Secret from being touched even for a moment; the bare minimum does not ask. It is a third of "
    "all requests.",
    "refresh, nothing changed: CPU*": "Every ExternalSecret is a task, a look into the snapshot and a new due time of "
    "its own, also where the sweep has found nothing new at all.",
}


def reason(scenario: str, what: str) -> str:
    """What is known, or that nothing is."""
    named = f"{scenario}: {what}"
    return next((text for pattern, text in REASONS.items() if fnmatchcase(named, pattern)), "Not looked into yet.")
