"""Addresses that a store's spec names, checked before anything is sent there."""

import re
from collections.abc import Callable

from keyferry.errors import SpecInvalid

ENDPOINT_FLAG = "--allow-endpoint"

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(\[[0-9A-Fa-f:.]+\]|({_LABEL}\.)*{_LABEL}\.?)(:(?P<port>[0-9]{{1,5}}))?/?")


def checked_address(field: str, url: str, allowed: Callable[[str], bool], *, scheme: str = "https?") -> str:
    """The address itself. Raises SpecInvalid where it is none, or one that the store may not send requests to."""
    spoken, _, where = url.partition("://")
    found = _ADDRESS.fullmatch(where)
    if not re.fullmatch(scheme, spoken) or found is None or int(found["port"] or 0) > 65535:
        raise SpecInvalid(f"{field}: {url} is no address; write one such as {scheme.rstrip('?')}://host.example:8443")
    if not allowed(url):
        raise SpecInvalid(
            f"{field}: this store may not send requests to {url}; whoever runs the operator can allow it with "
            f"{ENDPOINT_FLAG}={url}"
        )
    return url
