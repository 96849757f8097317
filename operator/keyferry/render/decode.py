"""Undoing the encoding that a value has in its backend."""

import base64
import binascii

from keyferry.api.external_secret import Decoding
from keyferry.errors import ValueInvalid


def decoded(data: bytes, how: Decoding, where: str) -> bytes:
    """The value behind its encoding. Raises ValueInvalid that names `where`, never the value."""
    match how:
        case Decoding.NONE:
            return data
        case Decoding.BASE64:
            return _strictly(data, urlsafe=False, where=where)
        case Decoding.BASE64URL:
            return _strictly(data, urlsafe=True, where=where)
        case Decoding.AUTO:
            try:
                return _strictly(data, urlsafe=False, where=where)
            except ValueInvalid:
                return data


def _strictly(data: bytes, *, urlsafe: bool, where: str) -> bytes:
    text = data.strip().replace(b"\r", b"").replace(b"\n", b"")  # base64(1) and PEM break their lines
    text += b"=" * (-len(text) % 4)  # many writers leave the padding out
    try:
        return base64.b64decode(text, altchars=b"-_" if urlsafe else None, validate=True)
    except binascii.Error:
        name = "Base64URL" if urlsafe else "Base64"
        raise ValueInvalid(f"{where} is not {name}: set decoding to what it is, or to None") from None
