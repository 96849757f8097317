"""What a `find` matches."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.errors import SpecInvalid
from keyferry.policy.search import matcher
from keyferry.values import Search


def matches(search: Search, key: str, **tags: str) -> bool:
    return matcher(search)(key, tags)


@pytest.mark.parametrize(
    ("regexp", "key", "expected"),
    [("^api-", "api-db", True), ("^api-", "my-api-db", False), ("api", "my-api-db", True), ("b$", "db", True)],
    ids=str,
)
def test_an_expression_matches_some_part_unless_anchored(regexp: str, key: str, *, expected: bool):
    assert matches(Search(regexp=regexp), key) is expected


@pytest.mark.parametrize(
    ("path", "key", "expected"),
    [
        ("app", "app/db", True),
        ("app", "apple", False),
        ("app/", "app/db", True),
        ("app", "app", True),
        ("app/db", "app/db/main", True),
        ("app", "my/app/db", False),
    ],
    ids=str,
)
def test_a_path_is_the_beginning_in_whole_parts(path: str, key: str, *, expected: bool):
    assert matches(Search(path=path), key) is expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [({"tier": "web", "env": "prod"}, True), ({"tier": "web"}, False), ({"tier": "prod", "env": "web"}, False)],
    ids=["both", "one", "swapped"],
)
def test_every_pair_of_key_and_value_must_be_there(tags: dict[str, str], *, expected: bool):
    assert matches(Search(tags=(("env", "prod"), ("tier", "web"))), "db", **tags) is expected


def test_all_that_is_asked_for_must_match():
    search = Search(regexp="db$", path="app", tags=(("tier", "web"),))
    assert matches(search, "app/db", tier="web")
    assert not matches(search, "app/queue", tier="web")
    assert not matches(search, "other/db", tier="web")
    assert not matches(search, "app/db")


@pytest.mark.parametrize("regexp", ["(", "a(?=b)", r"(a)\1", "[z-a]", "*", "a{1000}{1000}", "(?<!a)b"])
def test_what_is_no_re2_expression_is_an_error_that_quotes_it(regexp: str):
    with pytest.raises(SpecInvalid, match=r"find\.name\.regexp .* is no RE2 expression: \w+"):
        matcher(Search(regexp=regexp))


@pytest.mark.parametrize("regexp", ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(.*)*x$"])
def test_an_expression_that_would_explode_elsewhere_is_fast(regexp: str):
    began = time.process_time()  # its own, whatever else the machine does; elsewhere it would never come to an end
    assert not matches(Search(regexp=regexp), "a" * 50_000 + "!")
    assert time.process_time() - began < 5


@given(st.text(max_size=20), st.text(min_size=1, max_size=20))
def test_any_text_is_an_expression_or_a_clear_error(regexp: str, key: str):
    try:
        found = matcher(Search(regexp=regexp))
    except SpecInvalid:
        return
    assert found(key, {}) in (True, False)
