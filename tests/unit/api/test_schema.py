"""From a model to the schema of a CRD."""

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from keyferry.api.kinds import KINDS
from keyferry.api.model import Form, Model, keyed, rule, rules
from keyferry.api.schema import structural

ANY_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)


class Colour(StrEnum):
    """A colour."""

    RED = "Red"
    BLUE = "Blue"


class Inner(Model):
    """What it is."""

    model_config = ConfigDict(json_schema_extra=rules(rule("self.n > 0", "write more")))

    n: int = Field(1, description="How many.")


def field(annotation: Any, *, default: Any = ..., **more: Any) -> dict[str, Any]:
    """The schema of a single field of that type."""
    namespace = {"__annotations__": {"given": annotation}, "given": Field(default, **more), "__module__": __name__}
    schema: dict[str, Any] = structural(type("Made", (BaseModel,), namespace))["properties"]["given"]
    return schema


def test_a_reference_is_replaced_by_what_it_refers_to():
    assert field(Colour) == {"description": "A colour.", "type": "string", "enum": ["Red", "Blue"]}


def test_a_fields_description_stands_over_its_types():
    assert field(Colour, description="Of the door.")["description"] == "Of the door."


def test_rules_of_a_type_and_of_its_field_both_hold():
    made = field(Inner, json_schema_extra=rules(rule("self.n < 9", "write less")))
    assert [each["message"] for each in made["x-kubernetes-validations"]] == ["write more", "write less"]


def test_null_is_left_out():
    assert field(int | None, default=None) == {"type": "integer"}


def test_a_default_is_left_out():
    assert "default" not in str(structural(Inner))


def test_a_field_called_default_or_title_stays():
    class Odd(Model):
        default: str = Field("x", description="One.")
        title: str = Field("y", description="Two.")

    assert list(structural(Odd)["properties"]) == ["default", "title"]


def test_names_are_written_in_camel_case():
    class Snake(Model):
        two_words: int

    assert structural(Snake)["required"] == ["twoWords"]


def test_a_tuple_becomes_an_atomic_list():
    assert field(tuple[int, ...]) == {
        "type": "array",
        "x-kubernetes-list-type": "atomic",
        "items": {"type": "integer"},
    }


def test_a_keyed_list_says_its_key():
    made = field(tuple[Inner, ...], json_schema_extra=keyed("n"))
    assert made["x-kubernetes-list-type"] == "map"
    assert made["x-kubernetes-list-map-keys"] == ["n"]


def test_a_mapping_says_what_its_values_are():
    made = field(dict[str, Colour], max_length=3)
    assert made["maxProperties"] == 3
    assert made["additionalProperties"]["enum"] == ["Red", "Blue"]


def test_what_a_mappings_keys_must_be_becomes_rules_of_the_mapping():
    key = Annotated[str, Field(min_length=1, max_length=9), Form("^a*$", "write a")]
    assert field(dict[key, int])["x-kubernetes-validations"] == [
        {"rule": "self.all(key, size(key) >= 1 && size(key) <= 9)", "message": "give every key 1 to 9 characters"},
        {"rule": "self.all(key, key.matches(r'^a*$'))", "message": "write a"},
    ]


def test_an_empty_object_has_no_properties_for_the_api_server_drops_them():
    assert field(type("Empty", (Model,), {"__doc__": "Nothing."})) == {"description": "Nothing.", "type": "object"}


def test_one_allowed_word_is_a_choice_of_one():
    assert field(Literal["a"])["enum"] == ["a"]


@pytest.mark.parametrize(
    "annotation",
    [
        pytest.param(int | str, id="one of several types"),
        pytest.param(tuple[int, str], id="a tuple of different types"),
        pytest.param(set[int], id="a set"),
        pytest.param(Annotated[int, Field(gt=3)], id="an exclusive limit"),
        pytest.param(dict[Annotated[str, Field(pattern="^a$")], int], id="a pattern of keys"),
        pytest.param(dict[Colour, int], id="a choice of keys"),
    ],
)
def test_what_a_crd_cannot_say_is_refused_and_not_dropped(annotation):
    with pytest.raises(ValueError, match="a CRD cannot say"):
        field(annotation)


def test_a_kind_may_have_a_model_its_own_way():
    def without_rules(name: str, schema: dict[str, Any]) -> dict[str, Any]:
        return {word: said for word, said in schema.items() if name != "Inner" or not word.startswith("x-")}

    class Outer(Model):
        inner: Inner

    assert "x-kubernetes-validations" not in structural(Outer, without_rules)["properties"]["inner"]


def every_schema(schema):
    yield schema
    for inner in (*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")):
        if inner:
            yield from every_schema(inner)


@ANY_KIND
def test_no_schema_has_what_a_structural_schema_must_not(kind):
    schema = kind.schema()
    assert schema["properties"]["status"].pop("default") == {"observedGeneration": -1}  # a status is in no manifest
    words = {word for each in every_schema(schema) for word in each}
    assert words.isdisjoint({"$ref", "$defs", "default", "title", "anyOf", "allOf", "const", "nullable"})


@ANY_KIND
def test_every_field_and_every_entry_of_a_list_is_described(kind):
    for schema in every_schema(kind.schema()):
        for name, field_ in schema.get("properties", {}).items():
            assert field_.get("description"), f"{name} has no description"
            assert field_["type"] != "array" or field_["items"]["type"] != "object" or field_["items"]["description"]


@ANY_KIND
def test_every_description_is_a_sentence(kind):
    texts = [schema["description"] for schema in every_schema(kind.schema()) if "description" in schema]
    assert [text for text in texts if not text[0].isupper() or not text.endswith((".", "}"))] == []


@ANY_KIND
def test_what_can_be_left_out_tells_its_default(kind):
    """Booleans, numbers and choices always come to something; the rest may mean nothing when it is left out."""
    for schema in every_schema(kind.schema()["properties"]["spec"]):
        for name, field_ in schema.get("properties", {}).items():
            if name not in schema.get("required", ()) and (
                "enum" in field_ or field_["type"] in ("boolean", "integer")
            ):
                assert "Default: " in field_["description"], f"{name} does not tell its default"


@ANY_KIND
def test_every_list_and_mapping_and_text_of_a_spec_has_a_limit(kind):
    """Else a resource can grow until the API server refuses it without a reason, and CEL rules cost too much."""
    for schema in every_schema(kind.schema()["properties"]["spec"]):
        match schema:
            case {"enum": _} | {"x-kubernetes-validations": [{"rule": "false"}]}:
                pass
            case {"type": "string"}:
                assert "maxLength" in schema, schema
            case {"type": "array"}:
                assert "maxItems" in schema, schema
            case {"additionalProperties": _}:
                assert "maxProperties" in schema, schema
