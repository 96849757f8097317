"""Which questions to ask for refs, and which answer is whose. Pure: answers may lack anything, or be another's."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from keyferry.backends.aws.errors import Failure, throttles
from keyferry.errors import BackendUnavailable
from keyferry.values import Fetched, Ref, Value

BATCH = 20  # ids that BatchGetSecretValue takes

_ID = re.compile(r"[\w/+=.@!-]{1,512}|arn:[\w/+=.@:!-]{1,2000}", re.ASCII)
_VERSION_ID = re.compile(r"[\w-]{32,64}", re.ASCII)
_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")
_NAME_IN_ARN = re.compile(r"arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:(?P<name>.+)")


def possible(ref: Ref) -> bool:
    """Whether a secret can have this id. One that cannot would spoil its whole batch."""
    return _ID.fullmatch(ref.id) is not None


def batches(refs: Sequence[Ref], size: int) -> list[tuple[Ref, ...]]:
    """The refs in calls: those at their current version together, `size` at a time, the others alone."""
    current = [ref for ref in refs if not ref.version] if size > 1 else []
    together = [tuple(current[start : start + size]) for start in range(0, len(current), size)]
    return together + [(ref,) for ref in refs if ref.version or size <= 1]


class VersionNamed(TypedDict, total=False):
    """One of the two ways to name a version to GetSecretValue."""

    VersionId: str
    VersionStage: str


def version_named(ref: Ref) -> VersionNamed:
    """How GetSecretValue is told the version: ids have 32 to 64 characters, what is shorter is a staging label."""
    if not ref.version:
        return {}
    return {"VersionId": ref.version} if _VERSION_ID.fullmatch(ref.version) else {"VersionStage": ref.version}


def value_of(answer: Mapping[str, Any], ref: Ref) -> Fetched:
    """The value in an answer of GetSecretValue, or in a part of one of BatchGetSecretValue."""
    if ref.id not in _identities(answer):
        return BackendUnavailable(f"Secrets Manager answers for another secret than {ref.id}, which was asked")
    version, text, binary = (answer.get(name) for name in ("VersionId", "SecretString", "SecretBinary"))
    data = text.encode() if isinstance(text, str) else binary
    if not isinstance(data, bytes) or not version:
        return BackendUnavailable(f"Secrets Manager's answer for {ref.id} lacks its value or its version")
    return Value(data, version)


def answered(refs: Sequence[Ref], answers: Iterable[Mapping[str, Any]]) -> dict[Ref, Fetched]:
    """Which of the refs have a value in the answer."""
    owners = {identity: answer for answer in answers if answer for identity in _identities(answer)}
    return {ref: value_of(owners[ref.id], ref) for ref in refs if ref.id in owners}


def refused(refs: Sequence[Ref], errors: Iterable[Mapping[str, Any]]) -> dict[Ref, Failure]:
    """Which of the refs have an error in the answer."""
    asked = {ref.id: ref for ref in refs}
    found = {}
    for error in filter(None, errors):
        for identity in _meant(str(error.get("SecretId", "")), asked):
            found[asked[identity]] = Failure((str(error.get("ErrorCode", "")),), str(error.get("Message", "")))
    return found


def throttled(errors: Iterable[Mapping[str, Any]]) -> bool:
    """Whether one of the errors in an answer asks for patience."""
    return any(throttles(str(error.get("ErrorCode", ""))) for error in errors if error)


def _identities(answer: Mapping[str, Any]) -> set[str]:
    """All that a secret may be asked by: its name, its ARN, and its ARN without the six characters that AWS adds."""
    arn, name = answer.get("ARN"), answer.get("Name")
    whole = {each for each in (arn, name) if isinstance(each, str)}
    return whole | {_SUFFIX.sub("", each) for each in whole if each.startswith("arn:")}


def _meant(identity: str, asked: Mapping[str, Ref]) -> list[str]:
    """Which asked ids an error is about. AWS may name the ARN of what was asked by name."""
    if identity in asked:
        return [identity]
    found = _NAME_IN_ARN.fullmatch(identity)
    if found is None:
        return []
    others = (_SUFFIX.sub("", identity), _SUFFIX.sub("", found["name"]), found["name"])
    return [each for each in others if each in asked]
