"""What is in a document, and what may be believed of one: whoever may write to the index can leave anything there.

A secret is a document whose ID is a digest of its name. One more document says of the encryption what
`cipher.Vault` says; without it an index is not taken for one of Keyferry's.
"""

import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from keyferry.backends.cipher import Cipher, Identity, Sealed, Vault
from keyferry.values import Entry, Value

SCHEME = "keyferry/elasticsearch/1"  # of the encryption
META_ID = "keyferry"  # no digest looks like this
LONGEST_NAME = 1024  # characters, as long as a remoteRef's key
_FARTHEST = 1 << 53  # of our numbers: others are nobody's
_NONCE = 12  # bytes, before the ciphertext


@dataclass(frozen=True, slots=True)
class Fields:
    """What the fields of a document are called."""

    name: str = "name"
    version: str = "version"
    tags: str = "tags"
    value: str = "value"
    meta: str = "meta"

    def mapping(self) -> dict[str, Any]:
        """What the index has to know of them: names are looked for, all else is only kept."""
        properties = {
            self.name: {"type": "keyword"},
            self.version: {"type": "long", "index": False, "doc_values": False},
            self.tags: {"type": "object", "enabled": False},
            self.value: {"type": "binary"},
            self.meta: {"type": "object", "enabled": False},
        }
        return {"dynamic": "strict", "properties": properties}

    def body(self, identity: Identity, sealed: Sealed) -> dict[str, Any]:
        """The document of a secret."""
        return {
            self.name: identity.name,
            self.version: identity.version,
            self.tags: dict(identity.tags),
            self.value: _coded(sealed.nonce + sealed.ciphertext),
        }

    def meta_body(self, vault: Vault) -> dict[str, Any]:
        """The document that says what the encryption is."""
        return {
            self.meta: {
                "scheme": vault.scheme,
                "databaseId": vault.database_id,
                "salt": _coded(vault.salt),
                "keyCheck": _coded(vault.key_check),
            }
        }

    def vault(self, source: Mapping[str, Any]) -> Vault | None:
        """What that document says; None where it says nothing of this scheme."""
        told = source.get(self.meta)
        if not isinstance(told, dict) or told.get("scheme") != SCHEME:
            return None
        database_id, salt, key_check = told.get("databaseId"), _bytes(told.get("salt")), _bytes(told.get("keyCheck"))
        if not isinstance(database_id, str) or salt is None or key_check is None:
            return None
        return Vault(SCHEME, database_id, salt, key_check)

    def value_of(self, document: "Document", cipher: Cipher) -> Value | None:
        """The value; None where the document is not as Keyferry wrote it."""
        identity, sealed = self.identity(document), _bytes(document.source.get(self.value))
        if identity is None or sealed is None:
            return None
        data = cipher.open(identity, Sealed(sealed[:_NONCE], sealed[_NONCE:]))
        return None if data is None else Value(data, document.token(identity))

    def entry(self, document: "Document") -> Entry | None:
        """Its line in the catalogue; None where the document is not as Keyferry wrote it."""
        identity = self.identity(document)
        if identity is None:
            return None
        token = document.token(identity)
        return Entry(identity.name, identity.name, {"": token, str(document.sequence): token}, identity.tags)

    def version_after(self, document: "Document | None", now: int) -> int:
        """Our number of the next write: the time in milliseconds, or more where a clock went back.

        It goes with the index's own number, and is another even where the index was lost, or restored from a snapshot.
        """
        before = document.source.get(self.version) if document else None
        return max(now, before + 1) if type(before) is int and 0 < before < _FARTHEST else now

    def identity(self, document: "Document") -> Identity | None:
        """What the value is bound to; None where that cannot be read, or belongs to a document with another ID."""
        name, version, tags = (document.source.get(each) for each in (self.name, self.version, self.tags))
        if not isinstance(name, str) or id_of(name) != document.id or type(version) is not int:
            return None
        if not isinstance(tags, dict) or not all(isinstance(text, str) for text in tags.values()):
            return None
        return Identity(name, version, tags)


@dataclass(frozen=True, slots=True)
class Document:
    """A document as a read or a search tells it."""

    id: str
    sequence: int  # the index's own number of its last write; it never goes back
    term: int
    source: Mapping[str, Any]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """One of an answer; where it lacks something, it is a document that nobody wrote."""
        source = told.get("_source")
        return cls(
            str(told.get("_id")),
            int(told.get("_seq_no", -1)),
            int(told.get("_primary_term", 0)),
            source if isinstance(source, dict) else {},
        )

    def token(self, identity: Identity) -> str:
        """The version: the index's number, and ours, since an index that is made anew counts from 0 again."""
        return f"{self.sequence}@{identity.version}"


def id_of(name: str) -> str:
    """A secret's document. An ID has at most 512 bytes, a name may have more."""
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()


def is_name(name: str) -> bool:
    """Whether a secret can have this name."""
    return 0 < len(name) <= LONGEST_NAME and name.isprintable()


def _coded(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


def _bytes(text: Any) -> bytes | None:
    try:
        return binascii.a2b_base64(text, strict_mode=True) if isinstance(text, str) else None
    except ValueError:  # binascii.Error among them
        return None
