"""Whose call of the webhook is believed."""

import pytest

from keyferry.policy.signature import genuine, keys_in, signature

KEY, OTHER = b"k" * 32, b"o" * 32
NOW = 1_750_000_000.0
STAMP = "1750000000"


def test_the_signature_is_the_one_that_the_documentation_promises():
    # printf %s '1750000000.{"a":1}' | openssl dgst -sha256 -hmac kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk
    wanted = "v1=20c6efe68c79c69405bf4202e17fd918a4ab9bee26f836ab01d6dd123ea36363"
    assert signature(KEY, STAMP, b'{"a":1}') == wanted


def test_who_knows_the_key_is_believed():
    assert genuine([KEY], STAMP, signature(KEY, STAMP, b"body"), b"body", NOW)


@pytest.mark.parametrize("keys", [[KEY, OTHER], [OTHER, KEY]])
def test_while_keys_are_exchanged_each_holds(keys: list[bytes]):
    assert genuine(keys, STAMP, signature(KEY, STAMP, b""), b"", NOW)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "v1=",
        "v1=00",
        signature(OTHER, STAMP, b"body"),
        signature(KEY, STAMP, b"body").removeprefix("v1="),
        "ä",
        "\ud800",
    ],
)
def test_nobody_else_is(given: str):
    assert not genuine([KEY], STAMP, given, b"body", NOW)


def test_another_body_needs_another_signature():
    assert not genuine([KEY], STAMP, signature(KEY, STAMP, b"body"), b"other", NOW)


def test_another_moment_needs_another_signature():
    assert not genuine([KEY], "1750000001", signature(KEY, STAMP, b""), b"", NOW)


@pytest.mark.parametrize("off", [-301, 301])
def test_what_is_more_than_five_minutes_off_is_not_believed(off: int):
    assert not genuine([KEY], STAMP, signature(KEY, STAMP, b""), b"", NOW + off)


@pytest.mark.parametrize("off", [-300, 300])
def test_five_minutes_are_forgiven(off: int):
    assert genuine([KEY], STAMP, signature(KEY, STAMP, b""), b"", NOW + off)


@pytest.mark.parametrize("stamp", ["", "now", "-1", "1e9", "1750000000.0", " 1750000000", "١", "1" * 400])
def test_a_timestamp_is_a_number_of_seconds(stamp: str):
    assert not genuine([KEY], stamp, signature(KEY, stamp, b""), b"", NOW)


def test_without_a_key_nobody_is_believed():
    assert not genuine([], STAMP, signature(b"", STAMP, b""), b"", NOW)


def test_a_secret_holds_one_key_a_line():
    assert keys_in(KEY + b"\n" + OTHER + b"\n\n") == (KEY, OTHER)


@pytest.mark.parametrize(
    "text",
    [b"", b"\n", b"k" * 31, KEY + b"\nshort", b"with spaces" * 9, b"\x00" * 40, b"\n".join([KEY] * 5)],
    ids=["empty", "a line's end", "too short", "one too short", "spaces", "bytes", "too many"],
)
def test_what_is_no_key_is_none(text: bytes):
    assert keys_in(text) == ()
