"""Who is trusted to be the server: certificates as PEM, as a context of Python's, and as a file for libpq."""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keyferry.errors import BackendUnavailable, CredentialsMissing


def context_of(authority: bytes | None, where: str) -> ssl.SSLContext:
    """That verifies certificates and names. `authority`: the only ones to trust. Raises CredentialsMissing."""
    try:
        return ssl.create_default_context(cadata=authority.decode("ascii") if authority else None)
    except (ssl.SSLError, ValueError):
        raise CredentialsMissing(f"{where} caProvider names what holds no certificates in PEM") from None


def operators_own() -> bytes:
    """The certificates that Python trusts on this machine, in PEM: a file's, else a folder's."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        return Path(paths.cafile).read_bytes()
    if paths.capath:
        return b"\n".join(file.read_bytes() for file in sorted(Path(paths.capath).glob("*.[0-9]")))
    raise BackendUnavailable("this machine trusts no certificates: name those to trust in caProvider")


@contextmanager
def as_file(pem: bytes) -> Iterator[str]:
    """A path where it can be read while the context is open; on no disk, where there can be files in memory."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("certificates"), "wb") as file:
            file.write(pem)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
        return
    with tempfile.NamedTemporaryFile() as named:
        named.write(pem)
        named.flush()
        yield named.name
