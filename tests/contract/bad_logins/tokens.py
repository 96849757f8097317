"""ServiceAccounts' tokens that are none."""

import time
from collections.abc import Callable

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

STRANGER = ec.generate_private_key(ec.SECP256R1())


def forged(token: str) -> str:
    """The same, signed by somebody else."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(claims, STRANGER, algorithm="ES256", headers=jwt.get_unverified_header(token))


def dated(make: Callable[..., str], **claims: float) -> Callable[..., str]:
    """Makes tokens with these times, in seconds from now."""
    return lambda *to: make(*to, **{name: time.time() + seconds for name, seconds in claims.items()})
