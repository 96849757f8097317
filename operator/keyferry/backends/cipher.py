"""How a value is encrypted, and bound to its place: AES-256-GCM under a key that only this database has.

For backends that store what they are given, such as SQL: they are trusted with nothing. Whoever moves a ciphertext to
another row or document, edits its tags or version, or brings back an older ciphertext makes one that does not open.

A scheme is a text such as keyferry/sql/1. It is part of all that is derived and bound, so that what one kind of
database holds opens in no other.
"""

import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SHORTEST_KEY = 32  # characters
_NONCE = 12  # bytes: 96 bits, as GCM is made for


@dataclass(frozen=True, slots=True)
class Identity:
    """What a ciphertext is bound to, besides its database."""

    name: str
    version: int
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sealed:
    """A value as the database holds it."""

    nonce: bytes
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class Vault:
    """What a database says of its own encryption. None of it is secret."""

    scheme: str
    database_id: str
    salt: bytes
    key_check: bytes

    @classmethod
    def new(cls, scheme: str, key: bytes) -> "Vault":
        """That of a database which does not exist yet, and which this key will open."""
        database_id, salt = os.urandom(16).hex(), os.urandom(32)
        return cls(scheme, database_id, salt, _derive(key, salt, f"{scheme} key check {database_id}"))

    def cipher(self, key: bytes) -> "Cipher | None":
        """The cipher of this database; None when the key is not the one that it was made with."""
        expected = _derive(key, self.salt, f"{self.scheme} key check {self.database_id}")
        if not hmac.compare_digest(expected, self.key_check):
            return None
        values = _derive(key, self.salt, f"{self.scheme} values {self.database_id}")
        return Cipher(self.scheme, self.database_id, AESGCM(values))


@dataclass(frozen=True, slots=True)
class Cipher:
    """Seals and opens the values of one database."""

    scheme: str
    database_id: str
    _aes: AESGCM = field(repr=False)

    def seal(self, identity: Identity, data: bytes) -> Sealed:
        """The value, to be opened only where the identity says."""
        nonce = os.urandom(_NONCE)
        return Sealed(nonce, self._aes.encrypt(nonce, data, self._bound_to(identity)))

    def open(self, identity: Identity, sealed: Sealed) -> bytes | None:
        """The value; None when it was not sealed for this place as it is now."""
        if len(sealed.nonce) != _NONCE:
            return None
        try:
            return self._aes.decrypt(sealed.nonce, sealed.ciphertext, self._bound_to(identity))
        except InvalidTag:
            return None

    def _bound_to(self, identity: Identity) -> bytes:
        # JSON, because no two identities have the same text: a separator could be part of a name.
        tags = sorted(identity.tags.items())
        return json.dumps([self.scheme, self.database_id, identity.name, identity.version, tags]).encode()


def key_material(secret: bytes) -> bytes | None:
    """The key as it is used, from the bytes of a Secret; None when it is too short.

    A line end after a text is no part of it: the same key comes with one from a file and without one from a manifest.
    """
    try:
        text = secret.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        return secret if len(secret) >= SHORTEST_KEY else None
    return text.encode() if len(text) >= SHORTEST_KEY else None


def _derive(key: bytes, salt: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=purpose.encode()).derive(key)
