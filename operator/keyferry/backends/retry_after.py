"""How long a server asks for patience, in the one header that all of them have."""

import time
from contextlib import suppress
from email.utils import parsedate_to_datetime


def seconds(said: str | None) -> float | None:
    """What Retry-After says, a number of seconds or a date, in seconds from now. None: nothing that can be read."""
    word = (said or "").strip()
    if word.isascii() and word.isdecimal():
        return float(word)
    with suppress(ValueError, OverflowError):
        return max(0.0, parsedate_to_datetime(word).timestamp() - time.time())
    return None
