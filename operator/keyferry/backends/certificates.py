"""Which certificates are trusted, and what is wrong with a server's, in the same words whichever backend it is."""

import ssl
from collections.abc import Mapping
from contextlib import suppress

from keyferry.backends.wrapped import within
from keyferry.errors import BackendUnavailable, CredentialsMissing

AUTHORITY = "certificate:authority"
EARLY, EXPIRED, NAME = "certificate:early", "certificate:expired", "certificate:name"
_KINDS = {9: EARLY, 10: EXPIRED, 62: NAME, 63: NAME, 64: NAME}  # by OpenSSL's number of what is wrong

WORDS: Mapping[str, str] = {
    EARLY: "its certificate is not yet valid, or the operator's clock is off",
    EXPIRED: "its certificate has expired, or the operator's clock is off",
    NAME: "its certificate is for another name or address",
    AUTHORITY: "its certificate is of an authority that is not trusted: name the right one in caProvider",
}


class Untrusted(BackendUnavailable):
    """A server's certificate is not trusted. Other certificate authorities may help."""


def kind(verify_code: int) -> str:
    """Which of `WORDS` it is, by the `verify_code` of Python's error."""
    return _KINDS.get(verify_code, AUTHORITY)


def kinds(error: BaseException) -> tuple[str, ...]:
    """The names of an exception's classes; before them what is wrong with a certificate, if that is within."""
    names = tuple(cls.__name__ for cls in type(error).__mro__)
    found = refused(error)
    return (found, *names) if found else names


def refused(error: BaseException) -> str:
    """Which of `WORDS` an exception is about, or what it wraps; empty where it is about no certificate."""
    return next(filter(None, map(_refused, within(error))), "")


def _refused(error: BaseException) -> str:
    """What is wrong with a certificate; empty where this does not say so."""
    if isinstance(error, ssl.SSLCertVerificationError) and hasattr(error, "verify_code"):  # aiohttp's has none itself
        return kind(error.verify_code)
    return NAME if type(error).__name__ == "CertificateError" else ""  # urllib3 looks at names by itself


def trusting(ca: bytes, where: str, context: ssl.SSLContext | None = None) -> ssl.SSLContext:
    """That trusts these authorities, in PEM, and no others. Raises CredentialsMissing; `where` is what named them.

    `context`: one that trusts nobody yet; by default a client's that verifies.
    """
    context = context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with suppress(ssl.SSLError, ValueError):
        context.load_verify_locations(cadata=ca.decode("ascii", "ignore"))  # bundles have comments in any language
        return context
    raise CredentialsMissing(f"{where}: what it names holds no certificates in PEM")
