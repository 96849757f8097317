"""Undoing the encoding that a value has in its backend."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.api.external_secret import Decoding
from keyferry.errors import ValueInvalid
from keyferry.render.decode import decoded

WHERE = "key 'db'"
EITHER = pytest.mark.parametrize("how", [Decoding.BASE64, Decoding.BASE64URL], ids=str)


@given(st.binary(max_size=200))
def test_none_is_the_value_itself(data: bytes):
    assert decoded(data, Decoding.NONE, WHERE) == data


@given(st.binary(max_size=200), st.booleans())
def test_base64_comes_back_with_padding_or_without(data: bytes, padded: bool):  # noqa: FBT001 - hypothesis gives it
    text = base64.b64encode(data)
    assert decoded(text if padded else text.rstrip(b"="), Decoding.BASE64, WHERE) == data


@given(st.binary(max_size=200), st.booleans())
def test_base64url_comes_back_with_padding_or_without(data: bytes, padded: bool):  # noqa: FBT001 - hypothesis gives it
    text = base64.urlsafe_b64encode(data)
    assert decoded(text if padded else text.rstrip(b"="), Decoding.BASE64URL, WHERE) == data


@given(st.binary(min_size=60, max_size=200))
def test_lines_as_tools_break_them_do_not_matter(data: bytes):
    assert decoded(b" " + base64.encodebytes(data).replace(b"\n", b"\r\n"), Decoding.BASE64, WHERE) == data


@EITHER
@pytest.mark.parametrize(
    "text", [b"a", b"abcde", b"ab c", b"ab\tc", b"ab*c", b"=", b"a===", b"YQ==YQ==", b"\xff\xfe", "ü".encode()], ids=str
)
def test_what_is_not_so_encoded_is_an_error_that_says_what_to_set(text: bytes, how: Decoding):
    with pytest.raises(ValueInvalid, match=f"key 'db' is not {how}: set decoding to what it is, or to None"):
        decoded(text, how, WHERE)


def test_the_alphabet_for_urls_is_not_the_plain_one():
    with pytest.raises(ValueInvalid):
        decoded(b"-_-_", Decoding.BASE64, WHERE)
    assert decoded(b"-_-_", Decoding.BASE64URL, WHERE) == decoded(b"+/+/", Decoding.BASE64, WHERE)


@EITHER
@pytest.mark.parametrize("text", [b"", b"  \n"])
def test_nothing_is_the_encoding_of_nothing(text: bytes, how: Decoding):
    assert decoded(text, how, WHERE) == b""


@given(st.binary(max_size=200))
def test_auto_decodes_what_is_base64(data: bytes):
    assert decoded(base64.b64encode(data), Decoding.AUTO, WHERE) == data


@pytest.mark.parametrize("text", [b"pass word", b"hunter2!", b"-----BEGIN-----", b"\xff\x00", b"abcde"], ids=str)
def test_auto_takes_the_rest_as_it_is(text: bytes):
    assert decoded(text, Decoding.AUTO, WHERE) == text
