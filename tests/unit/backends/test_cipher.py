"""Aspects: round trip; what a ciphertext is bound to; damage; keys, and which key a database knows as its own."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.backends.cipher import Cipher, Identity, Sealed, Vault, key_material

SCHEME = "keyferry/sql/1"
KEY = b"a key of at least 32 characters, this"
VAULT = Vault.new(SCHEME, KEY)
ROW = Identity("db", 7, {"namespace": "payments", "key": "db"})

UNHURRIED = settings(deadline=None, max_examples=50)  # a busy machine is no reason to fail

texts = st.text(max_size=20)
identities = st.builds(Identity, texts, st.integers(0, 2**62), st.dictionaries(texts, texts, max_size=4))


def cipher(vault: Vault = VAULT, key: bytes = KEY) -> Cipher:
    found = vault.cipher(key)
    assert found is not None
    return found


CIPHER = cipher()


@UNHURRIED
@given(identities, st.binary(max_size=300))
def test_what_was_sealed_opens_in_its_row(identity: Identity, data: bytes):
    assert CIPHER.open(identity, CIPHER.seal(identity, data)) == data


@UNHURRIED
@given(identities, identities, st.binary(max_size=50))
def test_it_opens_in_no_other_row(sealed_in: Identity, opened_in: Identity, data: bytes):
    opened = CIPHER.open(opened_in, CIPHER.seal(sealed_in, data))
    assert opened == (data if opened_in == sealed_in else None)


@pytest.mark.parametrize(
    "edited",
    [
        replace(ROW, name="db2"),
        replace(ROW, version=6),
        replace(ROW, tags={"namespace": "shop", "key": "db"}),
        replace(ROW, tags={"namespace": "payments"}),
        replace(ROW, tags={**ROW.tags, "more": ""}),
        replace(ROW, tags={"namespace": 'payments", "key": "db'}),
    ],
    ids=["name", "version", "tag's value", "tag less", "tag more", "tags that look alike"],
)
def test_an_edited_row_does_not_open(edited: Identity):
    assert CIPHER.open(edited, CIPHER.seal(ROW, b"v")) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Identity("db1", 2, {}), Identity("db", 12, {})),
        (Identity("a", 1, {"b": "", "c": ""}), Identity("a", 1, {'b", ""], ["c': ""})),
        (Identity("a", 1, {"b": "c"}), Identity('a", 1, [["b", "c"]]', 1, {})),
    ],
    ids=["name and version", "two tags and one", "name and tags"],
)
def test_rows_that_look_alike_when_written_down_are_two(one: Identity, other: Identity):
    assert CIPHER.open(other, CIPHER.seal(one, b"v")) is None


def test_the_order_of_tags_says_nothing():
    other = replace(ROW, tags={"key": "db", "namespace": "payments"})
    assert CIPHER.open(other, CIPHER.seal(ROW, b"v")) == b"v"


def test_a_row_of_another_database_does_not_open():
    assert cipher(Vault.new(SCHEME, KEY)).open(ROW, CIPHER.seal(ROW, b"v")) is None


@UNHURRIED
@given(st.integers(0, 19), st.integers(1, 255))
def test_a_changed_byte_is_noticed(at: int, flip: int):
    sealed = CIPHER.seal(ROW, b"four")
    changed = bytearray(sealed.ciphertext)
    changed[at] ^= flip
    assert CIPHER.open(ROW, replace(sealed, ciphertext=bytes(changed))) is None


@pytest.mark.parametrize("length", range(20))
def test_a_truncated_ciphertext_is_noticed(length: int):
    sealed = CIPHER.seal(ROW, b"four")
    assert CIPHER.open(ROW, replace(sealed, ciphertext=sealed.ciphertext[:length])) is None


@pytest.mark.parametrize("nonce", [b"", b"short", b"n" * 12, b"n" * 13, b"n" * 300], ids=len)
def test_another_nonce_is_noticed(nonce: bytes):
    assert CIPHER.open(ROW, Sealed(nonce, CIPHER.seal(ROW, b"v").ciphertext)) is None


def test_the_same_value_never_looks_the_same_twice():
    assert len({CIPHER.seal(ROW, b"v").nonce for _ in range(100)}) == 100
    assert len({CIPHER.seal(ROW, b"v").ciphertext for _ in range(100)}) == 100


def test_another_key_is_known_as_such_before_anything_is_opened():
    assert VAULT.cipher(KEY + b"!") is None


def test_a_vault_of_another_kind_of_database_knows_no_key():
    assert replace(VAULT, scheme="keyferry/other/1").cipher(KEY) is None


@pytest.mark.parametrize("part", ["database_id", "salt", "key_check"])
def test_a_vault_that_was_edited_knows_no_key(part: str):
    assert replace(VAULT, **{part: getattr(Vault.new(SCHEME, KEY), part)}).cipher(KEY) is None


def test_the_key_is_in_no_repr():
    assert "AESGCM" not in repr(CIPHER)


@pytest.mark.parametrize("secret", [b"k" * 32, "ž".encode() * 32, b"k" * 32 + b"\n", b"\xff" * 32], ids=repr)
def test_a_key_of_32_characters_is_long_enough(secret: bytes):
    assert key_material(secret)


@pytest.mark.parametrize("secret", [b"", b"k" * 31, b"k" * 31 + b"\n", "ž".encode() * 31, b"\xff" * 31], ids=repr)
def test_a_key_of_31_characters_is_too_short(secret: bytes):
    assert key_material(secret) is None


def test_a_line_end_is_no_part_of_the_key():
    assert key_material(KEY + b"\r\n") == key_material(KEY) == KEY
