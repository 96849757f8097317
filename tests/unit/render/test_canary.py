"""Promise 1 for what can go wrong while rendering: no text quotes a value, and no error keeps one alive."""

import base64
import json
import traceback
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.errors import SecretMissing, SyncError
from keyferry.render.secret import Rendered
from tests.unit.render.rendering import item, render, spec_of

CANARY = "canary-9f3b"
HELD = {
    "text": CANARY,
    "json": json.dumps({"a": CANARY, "b": {"c": [CANARY]}, "key with spaces": CANARY, "n": 1.5}),
    "list": json.dumps([CANARY, {"a": CANARY}]),
    "broken": json.dumps({"a": CANARY})[:-1],
    "deep": "[" * 5000 + CANARY,
    "base64": base64.b64encode(CANARY.encode()).decode() + "*",
    "large": CANARY * 100_000,
    "binary": f"\x00\xff{CANARY}",
}
SPECS = {
    "whole": spec_of(item(decoding="Base64")),
    "url": spec_of(item(decoding="Base64URL")),
    "property": spec_of(item(property="a.b.0", decoding="Base64")),
    "property decoded": spec_of(item(property="a", decoding="Base64")),
    "index": spec_of(item(property="0.x")),
    "default": spec_of(item(property="zz", default="d"), item("o", property="zz", optional=True)),
    "extract": spec_of(data_from=({"extract": {"key": "db"}},)),
    "extract decoded": spec_of(data_from=({"extract": {"key": "db", "decoding": "Base64"}},)),
    "extract a property": spec_of(data_from=({"extract": {"key": "db", "property": "b"}},)),
    "extract renamed": spec_of(data_from=({"extract": {"key": "db"}, "conversionStrategy": "Underscore"},)),
    "find decoded": spec_of(data_from=({"find": {"path": "d", "decoding": "Base64URL"}},)),
}


def errors(made: Rendered) -> tuple[SyncError, ...]:
    return made.failures + made.gone


def said(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.__dict__)


@pytest.mark.parametrize(("spec", "held"), list(product(SPECS, HELD)), ids=str)
def test_no_error_text_contains_a_value(spec: str, held: str):
    made = render(SPECS[spec], {"db": HELD[held].encode("latin-1")})
    assert not [error for error in errors(made) if CANARY in said(error)]


@pytest.mark.parametrize(("spec", "held"), list(product(SPECS, HELD)), ids=str)
def test_no_error_keeps_frames_or_causes_which_hold_values(spec: str, held: str):
    made = render(SPECS[spec], {"db": HELD[held].encode("latin-1")})
    assert not [error for error in errors(made) if error.__traceback__ or error.__context__ or error.__cause__]


def test_these_ways_do_fail():
    failing = {
        name for name, spec in SPECS.items() for held in HELD.values() if errors(render(spec, {"db": held.encode()}))
    }
    assert failing == SPECS.keys()


@given(st.text(st.characters(codec="utf-8", exclude_characters="'\""), min_size=12, max_size=40))
def test_whatever_a_value_is_it_is_in_no_text(value: str):
    for spec in SPECS.values():
        for data in (value, json.dumps({"a": value}), json.dumps([value]), json.dumps({"a": value})[:-1]):
            assert not [error for error in errors(render(spec, {"db": data.encode()})) if value in str(error)]


def test_a_rendered_secret_does_not_show_its_data():
    assert CANARY not in repr(render(spec_of(item()), {"db": CANARY.encode()}))


def test_an_error_that_many_share_is_left_as_it_is():
    shared = SecretMissing("not there")
    assert render(spec_of(item()), {"db": shared}).gone == (shared,)
    assert shared.__traceback__ is None


@pytest.mark.parametrize("strategy", ["Error", "Underscore"])
@pytest.mark.parametrize("name", [f"{CANARY} with spaces", f"{CANARY}/" * 99, f"{CANARY}=", f"..{CANARY}"])
def test_the_names_of_members_are_part_of_the_value_too(name: str, strategy: str):
    spec = spec_of(data_from=({"extract": {"key": "db"}, "conversionStrategy": strategy},))
    twins = {name: 1, name.replace(" ", "_").replace("=", "_"): CANARY * 200_000}
    for made in (render(spec, {"db": json.dumps(twins).encode()}), render(spec, {"db": json.dumps([twins]).encode()})):
        assert errors(made)
        assert not [error for error in errors(made) if CANARY in said(error)]
