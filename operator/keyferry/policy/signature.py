"""Whether a webhook's caller knows the key: an HMAC over the moment and the body. Pure."""

import hashlib
import hmac
import re
from collections.abc import Collection

AGE_SECONDS = 300  # how far a caller's clock may be off, and how long what was overheard can be sent again
SHORTEST = 32  # characters of a key
MOST_KEYS = 4
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_VERSION = "v1="
_NO_KEY = b"nobody knows this key, and checking against it takes as long as against any other"


def keys_in(text: bytes) -> tuple[bytes, ...]:
    """The keys that a Secret holds, one a line, so that an old and a new one can hold at once; none where it is not so.

    Only what can be read and typed is a key: bytes that happen to hold a line's end would be two short ones.
    """
    lines = tuple(line.strip() for line in text.splitlines() if line.strip())
    sound = all(len(line) >= SHORTEST and all(0x21 <= byte <= 0x7E for byte in line) for line in lines)
    return lines if sound and 1 <= len(lines) <= MOST_KEYS else ()


def signature(key: bytes, timestamp: str, body: bytes) -> str:
    """What a caller writes into X-Keyferry-Signature."""
    return _VERSION + hmac.new(key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def genuine(keys: Collection[bytes], timestamp: str, given: str, body: bytes, now: float) -> bool:
    """Whether the signature is that of one of the keys, and of these minutes.

    Without any key it takes as long and is never so: how long the answer takes does not tell whether there is one.
    """
    fresh = _TIMESTAMP.fullmatch(timestamp) is not None and abs(now - int(timestamp)) <= AGE_SECONDS
    moment = timestamp if fresh else "0"
    matches = [
        hmac.compare_digest(signature(key, moment, body).encode(), given.encode(errors="replace"))
        for key in keys or (_NO_KEY,)
    ]
    return fresh and bool(keys) and any(matches)
