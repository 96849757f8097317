"""From when until when a login holds by its own words: an API server refuses it with 401, and does not say why. Pure.

What is read here is verified by nobody. It only words an error.
"""

import base64
import json
import math
from dataclasses import dataclass
from typing import Any

UNTOLD = "it is wrong, spent, revoked, or of another cluster; or a clock is off"


@dataclass(frozen=True, slots=True)
class Validity:
    """Times are seconds since the epoch."""

    since: float = -math.inf
    until: float = math.inf

    def doubt(self, now: float) -> str:
        """Why it may have been refused."""
        if now >= self.until:
            return "its time is over, or the operator's clock is off"
        if now < self.since:
            return "its time has not come, or the operator's clock is off"
        return UNTOLD


def of_token(text: str) -> Validity:
    """What a JWT says; of any other token nothing is known."""
    _, _, rest = text.partition(".")
    claims = _object(rest.partition(".")[0])
    return Validity(_time(claims.get("nbf"), -math.inf), _time(claims.get("exp"), math.inf))


def of_certificate(pem: bytes) -> Validity:
    """What the first certificate says, where the extra is installed that can read one."""
    try:
        from cryptography import x509  # noqa: PLC0415 - some MiB, for those whose certificate is refused

        found = x509.load_pem_x509_certificates(pem)[0]
    except (ImportError, ValueError, IndexError):
        return Validity()
    return Validity(found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp())


def _object(part: str) -> dict[str, Any]:
    try:
        content = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _time(said: object, otherwise: float) -> float:
    return float(said) if isinstance(said, int | float) and math.isfinite(said) else otherwise
