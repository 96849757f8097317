from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.backends.cipher import Identity, Sealed, Vault
from keyferry.backends.elasticsearch.documents import META_ID, SCHEME, Document, Fields, id_of, is_name
from keyferry.values import Entry, Value

KEY = b"a key of at least 32 characters, this"
FIELDS = Fields()
VAULT = Vault.new(SCHEME, KEY)


def document(change: Mapping[str, object] | None = None) -> Document:
    """One as Keyferry writes it, but for what is changed; None: taken away."""
    cipher = VAULT.cipher(KEY)
    assert cipher
    identity = Identity("db", 1000, {"tier": "web"})
    source = {**FIELDS.body(identity, cipher.seal(identity, b"value")), **(change or {})}
    return Document(id_of("db"), 7, 1, {key: value for key, value in source.items() if value is not None})


def opened(found: Document) -> Value | None:
    cipher = VAULT.cipher(KEY)
    assert cipher
    return FIELDS.value_of(found, cipher)


def test_a_document_tells_its_value_and_its_line_in_the_catalogue():
    assert opened(document()) == Value(b"value", "7@1000")
    versions = {"": "7@1000", "7": "7@1000"}
    assert FIELDS.entry(document()) == Entry("db", "db", versions, {"tier": "web"})


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"name": 7},
        {"name": "other"},
        {"name": ["db"]},
        {"version": None},
        {"version": "1000"},
        {"version": 1000.0},
        {"version": True},
        {"tags": None},
        {"tags": []},
        {"tags": {"tier": 1}},
    ],
    ids=str,
)
def test_a_document_whose_identity_cannot_be_read_is_none_of_ours(change: dict[str, object]):
    assert FIELDS.entry(document(change)) is None
    assert opened(document(change)) is None


@pytest.mark.parametrize("value", [None, 7, "", "AAAA", "no base64 !", "A" * 12, "äöü"])
def test_a_value_that_is_none_does_not_open_and_is_listed(value: object):
    assert opened(document({"value": value})) is None
    assert FIELDS.entry(document({"value": value})) is not None


@pytest.mark.parametrize("change", [{"version": 1001}, {"tags": {}}, {"tags": {"tier": "db"}}], ids=str)
def test_what_a_value_is_bound_to_cannot_be_changed(change: dict[str, object]):
    assert opened(document(change)) is None


def test_what_the_encryption_is_comes_back_from_its_document():
    assert FIELDS.vault(FIELDS.meta_body(VAULT)) == VAULT


@pytest.mark.parametrize(
    "change",
    [{"scheme": "keyferry/sql/1"}, {"scheme": None}, {"databaseId": 7}, {"salt": "no base64 !"}, {"keyCheck": None}],
    ids=str,
)
def test_what_is_no_such_document_is_told(change: dict[str, object]):
    meta = FIELDS.meta_body(VAULT)["meta"]
    assert FIELDS.vault({"meta": {**meta, **change}}) is None
    assert FIELDS.vault({"meta": "x"}) is None
    assert FIELDS.vault({}) is None


def test_an_answer_that_lacks_everything_is_a_document_that_nobody_wrote():
    found = Document.of({})
    assert FIELDS.entry(found) is None
    assert opened(found) is None


@given(st.text(max_size=2000))
def test_every_name_has_an_id_that_elasticsearch_takes(name: str):
    assert len(id_of(name)) == 64
    assert id_of(name) != META_ID


@given(st.integers(0, 2**53), st.one_of(st.none(), st.integers(-(2**70), 2**70), st.text()))
def test_the_next_number_is_the_time_or_more_and_fits(now: int, before: object):
    after = FIELDS.version_after(Document("x", 1, 1, {} if before is None else {"version": before}), now)
    assert now <= after <= 2**53
    if isinstance(before, int) and 0 < before < 2**53:
        assert after > before


def test_a_new_name_starts_at_the_time():
    assert FIELDS.version_after(None, 5000) == 5000


@pytest.mark.parametrize(("name", "possible"), [("a", True), ("", False), ("a\nb", False), ("x" * 1025, False)])
def test_a_name_is_printable_and_not_too_long(name: str, *, possible: bool):
    assert is_name(name) is possible


def test_a_ciphertext_of_another_scheme_does_not_open():
    other = Vault("keyferry/sql/1", VAULT.database_id, VAULT.salt, VAULT.key_check)
    cipher = Vault.new(other.scheme, KEY).cipher(KEY)
    assert cipher
    identity = Identity("db", 1000, {"tier": "web"})
    sealed: Sealed = cipher.seal(identity, b"value")
    assert opened(document({"value": FIELDS.body(identity, sealed)["value"]})) is None
