"""The data of a Secret: what wins, what may be missing, which keys and sizes are allowed."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.errors import (
    BackendUnavailable,
    DeletionHeld,
    SecretAmbiguous,
    SecretKeyInvalid,
    SecretMissing,
    SecretTooLarge,
    ValueInvalid,
)
from keyferry.render.secret import LARGEST
from tests.unit.render.rendering import data_of, item, render, spec_of

EXTRACT = {"extract": {"key": "db"}}
FIND = {"find": {"name": {"regexp": "."}}}
UNDERSCORE = {"conversionStrategy": "Underscore"}


def failure(spec, **held):
    made = render(spec, held)
    (wrong,) = made.failures
    return wrong


@given(st.binary(max_size=100))
def test_a_value_arrives_byte_by_byte(data: bytes):
    assert data_of(spec_of(item()), db=data) == {"k": data}


def test_one_value_may_give_several_keys():
    spec = spec_of(item("a"), item("b", property="x"))
    assert data_of(spec, db=b'{"x": 1}') == {"a": b'{"x": 1}', "b": b"1"}


def test_a_property_is_picked_before_it_is_decoded():
    assert data_of(spec_of(item(property="x", decoding="Base64")), db=b'{"x": "YQ=="}') == {"k": b"a"}


def test_extract_gives_every_member():
    assert data_of(spec_of(data_from=(EXTRACT,)), db=b'{"a": "x", "b": {"c": 1}}') == {"a": b"x", "b": b'{"c":1}'}


def test_extract_may_begin_at_a_property_and_decodes_every_member():
    spec = spec_of(data_from=({"extract": {"key": "db", "property": "in", "decoding": "Base64"}},))
    assert data_of(spec, db=b'{"in": {"a": "YQ==", "b": "Yg=="}}') == {"a": b"a", "b": b"b"}


def test_find_gives_every_secret_under_its_key_and_decodes_it():
    spec = spec_of(data_from=({"find": {"path": "x", "decoding": "Base64"}},))
    assert data_of(spec, a=b"YQ==", b=b"Yg==") == {"a": b"a", "b": b"b"}


def test_later_entries_win_and_data_wins_over_all():
    spec = spec_of(item("c", "own"), data_from=(EXTRACT, {"extract": {"key": "other"}}))
    held = {"db": b'{"a": "1", "b": "1", "c": "1"}', "other": b'{"b": "2", "c": "2"}', "own": b"3"}
    assert data_of(spec, **held) == {"a": b"1", "b": b"2", "c": b"3"}


def test_what_is_missing_and_needed_is_told():
    made = render(spec_of(item()), {})
    assert made.failures == ()
    assert [type(each) for each in made.gone] == [SecretMissing]
    assert made.data == {}


@pytest.mark.parametrize("held", [{}, {"db": b'{"y": 1}'}], ids=["no secret", "no property"])
def test_an_optional_key_is_left_out_where_it_is_missing(held: dict[str, bytes]):
    assert data_of(spec_of(item(property="x", optional=True), item("o", "other")), **held, other=b"o") == {"o": b"o"}


@pytest.mark.parametrize("held", [{}, {"db": b'{"y": 1}'}], ids=["no secret", "no property"])
def test_a_default_stands_in_where_it_is_missing(held: dict[str, bytes]):
    assert data_of(spec_of(item(property="x", default="ü")), **held) == {"k": "ü".encode()}


def test_a_default_may_be_empty():
    assert data_of(spec_of(item(default=""))) == {"k": b""}


def test_neither_matters_where_the_value_is_there():
    assert data_of(spec_of(item("a", optional=True), item("b", default="x")), db=b"v") == {"a": b"v", "b": b"v"}


def test_null_is_there_and_is_nothing():
    assert data_of(spec_of(item(property="x", default="d")), db=b'{"x": null}') == {"k": b""}


@pytest.mark.parametrize(
    "wrong", [BackendUnavailable("down"), SecretAmbiguous("a and b"), DeletionHeld("held")], ids=lambda e: e.reason
)
@pytest.mark.parametrize("more", [{"optional": True}, {"default": "x"}, {}], ids=["optional", "default", "needed"])
def test_what_could_not_be_found_out_is_no_missing_key(wrong, more):
    assert failure(spec_of(item(**more)), db=wrong) is wrong


def test_a_value_of_another_form_is_no_missing_key():
    assert isinstance(failure(spec_of(item(property="x", default="d")), db=b"no json"), ValueInvalid)


def test_find_that_matches_nothing_is_missing():
    made = render(spec_of(data_from=(FIND,)), {})
    assert [str(each) for each in made.gone] == ["find matches no secret that the store shows this namespace"]


def test_one_bad_source_does_not_hide_another():
    made = render(spec_of(item("a", "x"), item("b", "y"), data_from=(EXTRACT,)), {"db": b"[]", "x": b"v"})
    assert [type(each) for each in (*made.failures, *made.gone)] == [ValueInvalid, SecretMissing]
    assert made.data == {"a": b"v"}


@pytest.mark.parametrize("key", ["a b", "a/b", "ü", "", ".", "..", "..a", "a\n", "x" * 254], ids=ascii)
def test_a_key_that_a_secret_cannot_have_is_an_error_that_says_what_to_do(key: str):
    wrong = failure(spec_of(data_from=(EXTRACT,)), db=json.dumps({key: "v"}).encode())
    assert isinstance(wrong, SecretKeyInvalid)
    assert "set conversionStrategy: Underscore, or take it with data and a secretKey" in str(wrong)


@pytest.mark.parametrize("key", ["a", "A-._9", "-", "_", ".a", "...a"[2:], "x" * 253])
def test_any_other_key_is_taken_as_it_is(key: str):
    assert data_of(spec_of(data_from=(EXTRACT,)), db=json.dumps({key: "v"}).encode()) == {key: b"v"}


@pytest.mark.parametrize(
    ("key", "expected"),
    [("a b", "a_b"), ("a/b:c", "a_b_c"), ("ü", "_"), (".", "_"), ("..", "_."), ("..a", "_.a"), ("a..b", "a..b")],
)
def test_underscores_stand_in_for_what_is_not_allowed(key: str, expected: str):
    spec = spec_of(data_from=({**EXTRACT, **UNDERSCORE},))
    assert data_of(spec, db=json.dumps({key: "v"}).encode()) == {expected: b"v"}


@given(st.text(min_size=1, max_size=20))
def test_with_underscores_any_key_is_one_that_kubernetes_takes(key: str):
    spec = spec_of(data_from=({**EXTRACT, **UNDERSCORE},))
    (name,) = data_of(spec, db=json.dumps({key: "v"}).encode())
    assert name.isascii()
    assert not name.startswith("..")
    assert name != "."
    assert name.replace("-", "").replace("_", "").replace(".", "").isalnum() or set(name) <= set("-_.")


def test_two_keys_that_become_one_are_an_error_that_names_both():
    wrong = failure(spec_of(data_from=({**EXTRACT, **UNDERSCORE},)), db=b'{"a b": 1, "a/b": 2}')
    assert isinstance(wrong, SecretKeyInvalid)
    assert str(wrong) == (
        "member 1 of key 'db' and member 2 of key 'db' would become one key: take one of them with data"
    )


def test_two_found_keys_that_become_one_are_named():
    wrong = failure(spec_of(data_from=({**FIND, **UNDERSCORE},)), **{"a b": b"", "a/b": b""})
    assert "key 'a b' and key 'a/b' would become one key" in str(wrong)


def test_a_key_that_is_there_already_counts_too():
    wrong = failure(spec_of(data_from=({**EXTRACT, **UNDERSCORE},)), db=b'{"a_b": 1, "a b": 2}')
    assert isinstance(wrong, SecretKeyInvalid)


@pytest.mark.parametrize("name", [".", "..", "..a"])
def test_a_secret_key_that_kubernetes_refuses_is_refused_here(name: str):
    spec = spec_of(item())
    odd = spec.model_copy(update={"data": (spec.data[0].model_copy(update={"secret_key": name}),)})
    assert str(failure(odd, db=b"v")).startswith(f"secretKey {name!r} cannot be a key of a Secret")


@pytest.mark.parametrize("sizes", [(LARGEST,), (LARGEST - 1, 1), (LARGEST // 2, LARGEST // 2)], ids=str)
def test_a_secret_may_hold_just_1_mib(sizes: tuple[int, ...]):
    held = {f"k{n}": b"x" * size for n, size in enumerate(sizes)}
    assert sum(map(len, data_of(spec_of(data_from=(FIND,)), **held).values())) == LARGEST


def test_a_secret_with_one_byte_more_is_an_error_that_names_the_largest_key():
    wrong = failure(spec_of(data_from=(FIND,)), small=b"x", large=b"x" * LARGEST)
    assert isinstance(wrong, SecretTooLarge)
    assert f"would hold {LARGEST + 1} bytes, and Kubernetes allows {LARGEST}" in str(wrong)
    assert f"the largest is key 'large' with {LARGEST} bytes" in str(wrong)


@pytest.fixture
def parses(monkeypatch: pytest.MonkeyPatch) -> Counter[bytes]:
    """How often each document was parsed."""
    counted, loads = Counter[bytes](), json.loads

    def counting(data: bytes, **how: Any) -> Any:
        counted[data] += 1
        return loads(data, **how)

    monkeypatch.setattr(json, "loads", counting)
    return counted


def test_a_document_is_parsed_once_for_all_its_parts(parses: Counter[bytes]):
    data_of(spec_of(*(item(f"k{n}", property="x") for n in range(50)), data_from=(EXTRACT,)), db=b'{"x": 1}')
    assert parses == {b'{"x": 1}': 1}


def test_what_is_no_json_is_found_out_once(parses: Counter[bytes]):
    assert len(render(spec_of(item("a", property="x"), item("b", property="y")), {"db": b"{"}).failures) == 2
    assert parses == {b"{": 1}
