"""The field types that models share."""

from datetime import timedelta
from typing import Annotated

import pytest
from pydantic import ValidationError

from keyferry.api.model import Duration, Form, Model, Name, PositiveDuration, SecretDataKey, given, problems


class Timed(Model):
    every: Duration = timedelta(minutes=1)
    within: PositiveDuration = timedelta(seconds=10)


class Named(Model):
    name: Name = "a"
    data_key: SecretDataKey = "a"


class Lettered(Model):
    only: Annotated[str, Form("^[a-z]+$", "write letters")] = "a"
    never: Annotated[str, Form("^admin$", "choose another", wanted=False)] = "a"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("0s", 0), ("30s", 30), ("5m", 300), ("1h30m", 5400), ("1m1m", 120), ("8760h", 31536000)],
)
def test_a_duration_is_numbers_with_units(text, seconds):
    assert Timed.model_validate({"every": text}).every == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["5 minutes", "", "5", "-5m", "1.5h", "1d", "m", "8761h", "9" * 19 + "h", 0, 30, None, True, "1h\n"]
)
def test_anything_else_is_refused_with_what_to_write(text):
    with pytest.raises(ValidationError, match="write a duration such as 30s, 5m or 1h30m, of at most 8760h"):
        Timed.model_validate({"every": text})


@pytest.mark.parametrize("text", ["0", "0s", "0h0m"])
def test_where_it_must_be_longer_than_nothing_zero_is_refused(text):
    with pytest.raises(ValidationError, match="write a duration longer than 0, such as 10s"):
        Timed.model_validate({"within": text})


@pytest.mark.parametrize("text", ["0", "90s", "1h30m"])
def test_a_duration_survives_being_written(text):
    timed = Timed.model_validate({"every": text})
    assert Timed.model_validate(timed.model_dump(by_alias=True)) == timed


@pytest.mark.parametrize("name", ["a", "a-b", "a.b", "0", "a" * 253])
def test_names_of_kubernetes_are_names(name):
    assert Named.model_validate({"name": name}).name == name


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", ".a", "../a", "a/b", "a\n", "a" * 254])
def test_anything_else_is_no_name(name):
    with pytest.raises(ValidationError):
        Named.model_validate({"name": name})


@pytest.mark.parametrize("key", ["password", ".dot", "A-b_c.1"])
def test_keys_of_a_secret_are_keys(key):
    assert Named.model_validate({"dataKey": key}).data_key == key


@pytest.mark.parametrize("key", ["", "a b", "a/b", "ключ", "a\n"])
def test_anything_else_is_no_key(key):
    with pytest.raises(ValidationError):
        Named.model_validate({"dataKey": key})


def test_text_of_another_form_is_refused_in_the_forms_words():
    with pytest.raises(ValidationError, match="write letters"):
        Lettered.model_validate({"only": "a1"})


def test_text_of_an_unwanted_form_is_refused_in_the_forms_words():
    with pytest.raises(ValidationError, match="choose another"):
        Lettered.model_validate({"never": "admin"})
    assert Lettered.model_validate({"never": "administrator"}).never == "administrator"


def test_the_api_server_gets_the_same_rule_in_the_same_words():
    only, never = (Lettered.model_json_schema()["properties"][name] for name in ("only", "never"))
    assert only["x-kubernetes-validations"] == [{"rule": "self.matches(r'^[a-z]+$')", "message": "write letters"}]
    assert never["x-kubernetes-validations"] == [{"rule": "!self.matches(r'^admin$')", "message": "choose another"}]


def test_problems_name_the_field_and_the_remedy_and_quote_nothing():
    with pytest.raises(ValidationError) as wrong:
        Timed.model_validate({"every": "canary"})
    assert problems(wrong.value) == "spec.every: write a duration such as 30s, 5m or 1h30m, of at most 8760h"
    assert "canary" not in str(wrong.value)


def test_given_counts_the_fields_that_are_there():
    assert given("a", "b") == "[has(self.a), has(self.b)].filter(there, there).size()"


def test_a_model_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Named(), "name", "b")  # noqa: B010 - mypy would refuse the assignment itself
