"""AWS's Signature Version 4, computed anew from what came over the wire."""

import hashlib
import hmac
import re

from tests.standins.aws_wire import Request

_SIGNED = re.compile(r"Credential=[^/]+/(?P<scope>[^,]+), *SignedHeaders=(?P<headers>[^,]+)")


def signature_of(request: Request, secret: str) -> str:
    """The signature that the request must carry if it was signed with this secret."""
    found = _SIGNED.search(request.headers["authorization"])
    assert found is not None, "an Authorization header that no SDK writes"
    names = found["headers"].split(";")
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in names)
    canonical = "\n".join(["POST", "/", "", headers, found["headers"], hashlib.sha256(request.body).hexdigest()])
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in found["scope"].split("/"):
        key = _hmac(key, part)
    text = "\n".join(["AWS4-HMAC-SHA256", request.headers["x-amz-date"], found["scope"], digest])
    return _hmac(key, text).hex()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
