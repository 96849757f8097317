"""IAM of the AWS stand-in: who holds which key, and what they may do, by action, ARN and conditions."""

import datetime as dt
import fnmatch
import itertools
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.standins.aws_sigv4 import signature_of
from tests.standins.aws_wire import AwsError, Request

EVERYTHING: Mapping[str, Any] = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
PATIENCE = dt.timedelta(minutes=5)
_STAMP = "%Y%m%dT%H%M%SZ"
_VARIABLE = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True, slots=True)
class AccessKey:
    """What somebody logs in with."""

    id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires_at: float | None = None


@dataclass(slots=True)
class Principal:
    """Somebody: a user, or a session of a role. What they may do can be changed."""

    arn: str
    policy: Mapping[str, Any] = field(default_factory=lambda: EVERYTHING)
    tags: Mapping[str, str] = field(default_factory=dict)


def _several(one_or_more: Any) -> list[Any]:
    return one_or_more if isinstance(one_or_more, list) else [one_or_more]


def _matches(pattern: str, text: str) -> bool:
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def _conditions_hold(conditions: Mapping[str, Mapping[str, Any]], facts: Mapping[str, str]) -> bool:
    for operator, expected in conditions.items():
        assert operator in {"StringEquals", "StringLike"}, f"the stand-in knows no condition operator {operator}"
        for key, values in expected.items():
            wanted = [_VARIABLE.sub(lambda found: facts.get(found[1], "\0"), value) for value in _several(values)]
            same = _matches if operator == "StringLike" else str.__eq__
            if key not in facts or not any(same(value, facts[key]) for value in wanted):
                return False
    return True


def verdict(policy: Mapping[str, Any], action: str, resource: str, facts: Mapping[str, str]) -> str:
    """Allow, Deny (explicitly), or nothing, as IAM evaluates a policy."""
    effects = {
        statement["Effect"]
        for statement in _several(policy["Statement"])
        if any(_matches(pattern.lower(), action.lower()) for pattern in _several(statement["Action"]))
        and any(_matches(pattern, resource) for pattern in _several(statement["Resource"]))
        and _conditions_hold(statement.get("Condition", {}), facts)
    }
    return "Deny" if "Deny" in effects else "Allow" if effects else ""


@dataclass(slots=True)
class Iam:
    """Users, their keys, and the keys of sessions."""

    account: str
    ahead: float = 0.0  # seconds that AWS's clock is ahead of this machine's
    _keys: dict[str, tuple[AccessKey, Principal]] = field(default_factory=dict)
    _numbers: Iterable[int] = field(default_factory=itertools.count)

    def user(self, name: str, policy: Mapping[str, Any] = EVERYTHING) -> AccessKey:
        """A user with a key that lasts."""
        return self.issue(Principal(f"arn:aws:iam::{self.account}:user/{name}", policy))

    def issue(self, principal: Principal, *, lifetime: float | None = None) -> AccessKey:
        """A new key; a temporary one, with a session token, where it has a lifetime."""
        number = next(iter(self._numbers))
        temporary = lifetime is not None
        key = AccessKey(
            f"{'ASIA' if temporary else 'AKIA'}STANDIN{number:09}",
            f"the-secret-of-key-{number}",
            f"the-session-of-key-{number}" if temporary else None,
            time.time() + lifetime if lifetime is not None else None,
        )
        self._keys[key.id] = (key, principal)
        return key

    def revoke(self, key_id: str) -> None:
        """Nobody has this key any more."""
        del self._keys[key_id]

    def expire(self, key_id: str) -> None:
        """This key's time is over."""
        key, principal = self._keys[key_id]
        self._keys[key_id] = (AccessKey(key.id, key.secret, key.token, time.time() - 1), principal)

    def sessions(self) -> list[str]:
        """The temporary keys that were issued."""
        return [key_id for key_id, (key, _) in self._keys.items() if key.token is not None]

    def allow(self, key_id: str, policy: Mapping[str, Any]) -> None:
        """From now on, whoever holds this key may do this."""
        self._keys[key_id][1].policy = policy

    def principal(self, request: Request) -> Principal:
        """Who signed the request. Raises the errors of AWS where nobody rightly did."""
        unknown, expired, wrong, missing = _WORDS[request.service == "sts"]
        status = 403 if request.service == "sts" else 400
        if request.key_id is None:
            raise AwsError(missing, "Missing Authentication Token", status)
        if request.key_id not in self._keys:
            raise AwsError(unknown, "The security token included in the request is invalid.", status)
        key, principal = self._keys[request.key_id]
        if request.headers.get("x-amz-security-token") != key.token:
            raise AwsError(unknown, "The security token included in the request is invalid.", status)
        self._in_time(request.headers["x-amz-date"], wrong, status)
        if signature_of(request, key.secret) not in request.headers["authorization"]:
            # AWS recites the canonical request here, with the session token in it.
            recital = f"The Canonical String should have been\n'POST x-amz-security-token:{key.token}'"
            raise AwsError(wrong, f"The request signature we calculated does not match. {recital}", status)
        if key.expires_at is not None and time.time() >= key.expires_at:
            raise AwsError(expired, "The security token included in the request is expired", status)
        return principal

    def _in_time(self, signed: str, wrong: str, status: int) -> None:
        """Raise, in AWS's words, where a request was signed more than five minutes ago or from now."""
        now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.ahead)
        first, last = (f"{now + sign * PATIENCE:{_STAMP}}" for sign in (-1, 1))
        if signed < first:
            said = f"Signature expired: {signed} is now earlier than {first} ({now:{_STAMP}} - 5 min.)"
            raise AwsError(wrong, said, status)
        if signed > last:
            said = f"Signature not yet current: {signed} is still later than {last} ({now:{_STAMP}} + 5 min.)"
            raise AwsError(wrong, said, status)

    def demand(
        self,
        principal: Principal,
        action: str,
        resource: str,
        facts: Mapping[str, str] | None = None,
        *,
        named: str = "",
    ) -> None:
        """Raise AccessDenied, in AWS's words, unless the principal may do this there. `named`: the action, in them."""
        known = {f"aws:PrincipalTag/{key}": value for key, value in principal.tags.items()} | dict(facts or {})
        said = verdict(principal.policy, action, resource, known)
        if said == "Allow":
            return
        why = (
            "with an explicit deny in an identity-based policy"
            if said == "Deny"
            else f"because no identity-based policy allows the {named or action} action"
        )
        code = "AccessDenied" if action.startswith("sts:") else "AccessDeniedException"
        status = 403 if action.startswith("sts:") else 400
        what = f"{named or action} on resource: {resource}"
        raise AwsError(code, f"User: {principal.arn} is not authorized to perform: {what} {why}", status)


_WORDS = {
    False: (
        "UnrecognizedClientException",
        "ExpiredTokenException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
    ),
    True: ("InvalidClientTokenId", "ExpiredToken", "SignatureDoesNotMatch", "MissingAuthenticationToken"),
}
