"""What is wrong with a server's certificate, in the same words whichever backend it is."""

from collections.abc import Mapping

AUTHORITY = "certificate:authority"
_EARLY, _EXPIRED, _NAME = "certificate:early", "certificate:expired", "certificate:name"
_KINDS = {9: _EARLY, 10: _EXPIRED, 62: _NAME, 63: _NAME, 64: _NAME}  # by OpenSSL's number of what is wrong

WORDS: Mapping[str, str] = {
    _EARLY: "its certificate is not yet valid, or the operator's clock is off",
    _EXPIRED: "its certificate has expired, or the operator's clock is off",
    _NAME: "its certificate is for another name or address",
    AUTHORITY: "its certificate is of an authority that is not trusted: name the right one in caProvider",
}


def kind(verify_code: int) -> str:
    """Which of `WORDS` it is, by the `verify_code` of Python's error."""
    return _KINDS.get(verify_code, AUTHORITY)
