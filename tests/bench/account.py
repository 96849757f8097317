"""An AWS account of the bench: its secrets, AWS's limits, and a token bucket. It knows neither wire nor clock.

Made to be cheap, not strict: pages and batches are put together from JSON that is ready, and who signed is not asked.
That the operator speaks with AWS rightly is proven elsewhere, by tests/contract.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PAGE, BATCH = 100, 20  # what AWS gives with one call
_DAWN = 1.7e9


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    status: int
    body: str


@dataclass(slots=True)
class Bucket:
    """So many calls a second, and a second's worth at once after a quiet time."""

    rate: float
    tokens: float = field(init=False)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.tokens = self.rate

    def take(self, now: float) -> bool:
        """Whether one more call is allowed at this time."""
        self.tokens = min(self.rate, self.tokens + max(0.0, now - self.at) * self.rate)
        self.at = now
        allowed = self.tokens >= 1
        self.tokens -= allowed
        return allowed


def value_of(name: str, version: int) -> str:
    """What a secret holds at a version: as long as a password and some words around it."""
    return hashlib.sha256(f"{name} {version}".encode()).hexdigest()


@dataclass(slots=True)
class _Secret:
    name: str
    tags: Mapping[str, str]
    number: int
    version: int = 0
    line: str = ""  # of ListSecrets
    value: str = ""  # of GetSecretValue

    @property
    def arn(self) -> str:
        return f"arn:aws:secretsmanager:eu-west-1:000000000000:secret:{self.name}-abcdef"

    def written(self) -> None:
        """Put the JSON of its version together, once and not at every call."""
        version = f"00000000-0000-0000-{self.version:04}-{self.number:012}"
        known = {"ARN": self.arn, "Name": self.name, "CreatedDate": _DAWN}
        line = known | {
            "LastChangedDate": _DAWN + self.version,
            "SecretVersionsToStages": {version: ["AWSCURRENT"]},
            "Tags": [{"Key": key, "Value": value} for key, value in self.tags.items()],
        }
        held = {
            "VersionId": version,
            "VersionStages": ["AWSCURRENT"],
            "SecretString": value_of(self.name, self.version),
        }
        self.line, self.value = json.dumps(line), json.dumps(known | held)


@dataclass(slots=True)
class Account:
    """Answers for its secrets. `batching`: whether BatchGetSecretValue is permitted."""

    batching: bool = True
    _secrets: list[_Secret] = field(default_factory=list)
    _known: dict[str, _Secret] = field(default_factory=dict)

    def create(self, name: str, tags: Mapping[str, str]) -> None:
        """Add a secret, at its first version."""
        secret = _Secret(name, tags, len(self._secrets))
        secret.written()
        self._secrets.append(secret)
        self._known |= {name: secret, secret.arn: secret}

    def rotate(self, names: Sequence[str]) -> None:
        """Give these secrets new values."""
        for name in names:
            self._known[name].version += 1
            self._known[name].written()

    def answer(self, action: str, asked: Mapping[str, Any]) -> Answer:
        """As AWS answers. Everything here has the one prefix that is asked for, so filters would filter nothing."""
        match action:
            case "ListSecrets":
                return self._page(asked)
            case "BatchGetSecretValue":
                return self._batch(asked)
            case "GetSecretValue":
                found = self._known.get(asked["SecretId"])
                return Answer(200, found.value) if found else _refused(*_MISSING)
        return _refused("UnknownOperationException", f"the bench's stand-in knows no {action}")

    def _page(self, asked: Mapping[str, Any]) -> Answer:
        size = asked.get("MaxResults", PAGE)
        if not 1 <= size <= PAGE:
            return _refused("ValidationException", f"maxResults must be {PAGE} at most")
        start = int(asked.get("NextToken", 0))
        lines = ",".join(each.line for each in self._secrets[start : start + size])
        end = start + size
        more = f',"NextToken":"{end}"' if end < len(self._secrets) else ""
        return Answer(200, f'{{"SecretList":[{lines}]{more}}}')

    def _batch(self, asked: Mapping[str, Any]) -> Answer:
        if not self.batching:
            return _refused("AccessDeniedException", "not authorized to perform: secretsmanager:BatchGetSecretValue")
        ids = asked["SecretIdList"]
        if not 1 <= len(ids) <= BATCH:
            return _refused("ValidationException", f"secretIdList must have {BATCH} ids at most")
        values = ",".join(self._known[each].value for each in ids if each in self._known)
        code, message = _MISSING
        errors = [{"SecretId": each, "ErrorCode": code, "Message": message} for each in ids if each not in self._known]
        return Answer(200, f'{{"SecretValues":[{values}],"Errors":{json.dumps(errors)}}}')


THROTTLED = ("ThrottlingException", "Rate exceeded")
_MISSING = ("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")


def throttled() -> Answer:
    """AWS has had enough."""
    return _refused(*THROTTLED)


def _refused(code: str, message: str) -> Answer:
    return Answer(400, json.dumps({"__type": code, "message": message, "Message": message}))
