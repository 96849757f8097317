"""Parts of a JSON value, as a Secret holds them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.errors import SecretMissing, ValueInvalid
from keyferry.render.properties import as_bytes, members, parsed, picked


def got(text: str | bytes, path: str) -> bytes:
    data = text if isinstance(text, bytes) else text.encode()
    return as_bytes(picked(parsed(data, "key 'db'"), path, "key 'db'"), "key 'db'")


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ('{"a": "x"}', "a", b"x"),
        ('{"a": {"b": {"c": "x"}}}', "a.b.c", b"x"),
        ('{"users": [{"name": "u0"}, {"name": "u1"}]}', "users.1.name", b"u1"),
        ('["x", "y"]', "1", b"y"),
        ('{"a.b": "x"}', r"a\.b", b"x"),
        ('{"a": {"b.c": "x"}}', r"a.b\.c", b"x"),
        (r'{"a\\b": "x"}', r"a\\b", b"x"),
        ('{"db-password": "x"}', "db-password", b"x"),
        ('{"a b": "x"}', "a b", b"x"),
        ('{"": "x"}', ".", None),
        ('{"": {"a": "x"}}', ".a", b"x"),
        ('{"a": {"": "x"}}', "a.", b"x"),
        ('{"0": "x"}', "0", b"x"),
        ('{"ключ": "значение"}', "ключ", "значение".encode()),
        ('{"a\\nb": "x"}', "a\nb", b"x"),
    ],
    ids=str,
)
def test_a_path_leads_to_a_part(text: str, path: str, expected: bytes | None):
    if expected is None:
        with pytest.raises(SecretMissing):
            got(text, path)
    else:
        assert got(text, path) == expected


@pytest.mark.parametrize("path", ["a.b", "a", r"a\.b", "a..b"])
def test_a_key_that_reads_just_like_the_path_goes_first(path: str):
    text = json.dumps({"a": {"b": "walked", "": {"b": "walked"}}, "a.b": "literal", path: "literal"})
    assert got(text, path) == b"literal"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"a": 1}', "b"),
        ('{"a": 1}', "a.b"),
        ('{"a": "text"}', "a.0"),
        ('["x"]', "1"),
        ('["x"]', "-1"),
        ('["x"]', "first"),
        ('{"a": 1}', "."),
        ('{"a": 1}', ".."),
        ('{"a": 1}', "a."),
        ('{"a": 1}', "a\\"),
        ('{"a": {"b": 1}}', "a..b"),
        ('"text"', "a"),
        ("null", "a"),
    ],
    ids=str,
)
def test_a_part_that_is_not_there_is_missing_and_named(text: str, path: str):
    with pytest.raises(SecretMissing) as missing:
        got(text, path)
    assert str(missing.value) == f"key 'db' has no property {path!r}"


@pytest.mark.parametrize(
    "number",
    ["1", "1.10", "-0", "1e400", "1E5", "0.1234567890123456789", "12345678901234567890123", "9" * 5000, "-1.0e-7"],
    ids=lambda number: number[:25],
)
def test_a_number_is_written_as_it_was(number: str):
    assert got(f'{{"a": {number}}}', "a") == number.encode()
    assert got(f'{{"a": {{"b": [{number}]}}}}', "a") == f'{{"b":[{number}]}}'.encode()


@pytest.mark.parametrize(
    ("json_", "expected"),
    [
        ("true", b"true"),
        ("false", b"false"),
        ("null", b""),
        ('""', b""),
        ("{}", b"{}"),
        ("[]", b"[]"),
        ('{"b": 1, "a": [1, "ü", null]}', '{"b":1,"a":[1,"ü",null]}'.encode()),
        (r'"\u00fc\n\""', 'ü\n"'.encode()),
        (r'"\ud800"', b"\xed\xa0\x80"),
    ],
    ids=str,
)
def test_text_stands_as_it_is_null_is_nothing_and_the_rest_is_compact_json(json_: str, expected: bytes):
    assert got(f'{{"a": {json_}}}', "a") == expected


@pytest.mark.parametrize(
    "data", [b"", b"text", b"{", b"{'a': 1}", b"\xff\xfe\xfd", b"\x00\x01", b"[" * 100_000], ids=lambda data: data[:9]
)
def test_what_is_no_json_has_no_parts(data: bytes):
    with pytest.raises(ValueInvalid, match="key 'db' is no JSON, so it has no properties: leave property out"):
        got(data, "a")


def test_a_part_that_is_nested_too_deeply_to_write_is_an_error_that_says_what_to_do():
    with pytest.raises(ValueInvalid, match="nested too deeply: name a part of it"):
        got('{"a": ' + "[" * 900 + "]" * 900 + "}", "a")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_json_is_read_in_every_encoding_that_json_has(encoding: str):
    assert got('{"a": "ü"}'.encode(encoding), "a") == "ü".encode()


def test_a_huge_document_is_picked_from():
    assert got(json.dumps({f"k{n}": "x" * 100 for n in range(8000)}), "k7999") == b"x" * 100


def test_an_object_gives_its_members():
    document = parsed(b'{"a": "x", "b": {"c": 1.10}}', "key 'db'")
    assert {key: as_bytes(part, "") for key, part in members(document, "").items()} == {"a": b"x", "b": b'{"c":1.10}'}


@pytest.mark.parametrize("text", [b"[]", b'"text"', b"1", b"null", b"true"], ids=bytes.decode)
def test_what_is_no_object_has_no_members(text: bytes):
    with pytest.raises(ValueInvalid, match="key 'db' is no JSON object: extract needs one"):
        members(parsed(text, "key 'db'"), "key 'db'")


names = st.text(min_size=1, max_size=6)
leaves = st.one_of(st.text(max_size=8), st.booleans(), st.none(), st.integers(), st.floats(allow_nan=False))
documents = st.recursive(leaves, lambda inner: st.dictionaries(names, inner, max_size=3) | st.lists(inner, max_size=3))


@given(st.lists(names, min_size=1, max_size=4), documents)
def test_an_escaped_path_leads_to_any_part_whatever_its_keys_are(keys: list[str], part: object):
    document = part
    for key in reversed(keys):
        document = {key: document, "other": 1} if key != "other" else {key: document}
    path = ".".join(key.replace("\\", "\\\\").replace(".", "\\.") for key in keys)
    if len(keys) > 1 and isinstance(document, dict) and path in document:
        return  # the literal key goes first
    written = got(json.dumps(document), path)
    assert written == _expected(part)


def _expected(part: object) -> bytes:
    if isinstance(part, str):
        return part.encode("utf-8", "surrogatepass")
    return b"" if part is None else json.dumps(part, separators=(",", ":"), ensure_ascii=False).encode()


@given(documents)
def test_what_is_written_as_json_reads_as_the_same_json(document: object):
    written = got(json.dumps({"a": document}), "a")
    assert document is None or isinstance(document, str) or json.loads(written) == document
