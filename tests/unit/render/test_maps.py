"""Values that are maps of bytes, such as Secrets: what is picked of them is not touched."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.errors import SecretMissing, ValueInvalid
from keyferry.render.secret import Rendered, rendered
from keyferry.values import Found, Lookup, Ref, Value
from tests.unit.render.rendering import item, spec_of

FOUND = Found("db", Ref("db"), "1")
SHOWN = b'{"as":"JSON"}'


def render(members: dict[str, bytes], *data: dict[str, object], **more: object) -> Rendered:
    spec = spec_of(*data, **more)  # type: ignore[arg-type]
    return rendered(spec, {Lookup("db"): (FOUND,)}, {FOUND: Value(SHOWN, "1", members)})


@given(st.binary())
def test_a_property_is_taken_byte_for_byte(data: bytes):
    assert render({"tls.key": data}, item(property="tls.key")).data == {"k": data}


@given(st.binary())
def test_extract_takes_all_of_them(data: bytes):
    assert render({"a": data, "b.c": b"x"}, data_from=({"extract": {"key": "db"}},)).data == {"a": data, "b.c": b"x"}


def test_without_a_property_it_is_the_json_that_shows_it():
    assert render({"a": b"\xff"}, item()).data == {"k": SHOWN}


@pytest.mark.parametrize(
    ("path", "expected"),
    [(r"config\.json.a.0", b"1.10"), (r"config\.json.a", b"[1.10]"), (r"config\.json", b'{"a":[1.10]}')],
)
def test_a_path_leads_on_into_the_json_that_a_member_holds(path: str, expected: bytes):
    held = b'{"a":[1.10]}'
    assert render({"config.json": held}, item(property=path)).data == {"k": expected}


@pytest.mark.parametrize("path", ["b", "a.b", "bin.x"])
def test_what_is_not_there_is_missing(path: str):
    (missing,) = render({"a": b"canary", "bin": b"\xff"}, item(property=path)).gone
    assert isinstance(missing, SecretMissing)
    assert "canary" not in str(missing)


def test_a_member_is_decoded_like_any_other_value():
    coded = base64.b64encode(b"\x00v")
    assert render({"a": coded}, item(property="a", decoding="Base64")).data == {"k": b"\x00v"}
    (wrong,) = render({"a": b"?"}, item(property="a", decoding="Base64")).failures
    assert isinstance(wrong, ValueInvalid)


def test_a_value_counts_in_memory_with_all_that_it_holds():
    assert Value(b"12", "1").size == 2
    assert Value(b"12", "1", {"a": b"345", "b": b"6"}).size == 6
