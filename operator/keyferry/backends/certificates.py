"""Which certificates are trusted, and what is wrong with a server's, in the same words whichever backend it is."""

import ssl
from collections.abc import Mapping
from contextlib import suppress

from keyferry.errors import CredentialsMissing

AUTHORITY = "certificate:authority"
EARLY, EXPIRED, NAME = "certificate:early", "certificate:expired", "certificate:name"
_KINDS = {9: EARLY, 10: EXPIRED, 62: NAME, 63: NAME, 64: NAME}  # by OpenSSL's number of what is wrong

WORDS: Mapping[str, str] = {
    EARLY: "its certificate is not yet valid, or the operator's clock is off",
    EXPIRED: "its certificate has expired, or the operator's clock is off",
    NAME: "its certificate is for another name or address",
    AUTHORITY: "its certificate is of an authority that is not trusted: name the right one in caProvider",
}


def kind(verify_code: int) -> str:
    """Which of `WORDS` it is, by the `verify_code` of Python's error."""
    return _KINDS.get(verify_code, AUTHORITY)


def kinds(error: BaseException) -> tuple[str, ...]:
    """The names of an aiohttp exception's classes; before them what is wrong with a certificate, if that is it."""
    names = tuple(cls.__name__ for cls in type(error).__mro__)
    found = getattr(error, "certificate_error", None)
    if isinstance(found, ssl.SSLCertVerificationError):
        return (kind(found.verify_code), *names)
    return names


def trusting(ca: bytes, where: str, context: ssl.SSLContext | None = None) -> ssl.SSLContext:
    """That trusts these authorities, in PEM, and no others. Raises CredentialsMissing; `where` is what named them.

    `context`: one that trusts nobody yet; by default a client's that verifies.
    """
    context = context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with suppress(ssl.SSLError, ValueError):
        context.load_verify_locations(cadata=ca.decode("ascii", "ignore"))  # bundles have comments in any language
        return context
    raise CredentialsMissing(f"{where}: what it names holds no certificates in PEM")
