"""Pydantic's JSON schema in the subset that a CustomResourceDefinition allows ("structural schema"). Pure.

Defaults are left out on purpose: a default in a CRD is written into every resource, and shows as a difference in Argo
CD for ever. They live in the models and are told in the descriptions. (A status is nobody's manifest: see `kinds.py`.)
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]
Amend = Callable[[str, Schema], Schema]  # a model's name and its schema -> the schema as one kind has it

_SELF = re.compile(r"\bself\b")
_RULES = "x-kubernetes-validations"
# In the order in which a reader wants them.
_KEPT = (
    "description",
    "type",
    "format",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    _RULES,
    "required",
    "properties",
    "additionalProperties",
    "items",
)
_DROPPED = frozenset({"$defs", "title", "default"})


def structural(model: type[BaseModel], amend: Amend = lambda _, schema: schema) -> Schema:
    """The schema of a model as a CRD can have it. Raises ValueError where the model says what no CRD can."""
    schema = model.model_json_schema()
    definitions = {name: amend(name, definition) for name, definition in schema.get("$defs", {}).items()}
    return _plain(amend(model.__name__, schema), definitions, model.__name__)


def _plain(schema: Schema, definitions: Mapping[str, Schema], where: str) -> Schema:
    inlined = _keys_ruled(_inlined(schema, definitions, where), where)
    if unknown := sorted(inlined.keys() - set(_KEPT) - _DROPPED):
        raise ValueError(f"{where}: a CRD cannot say {', '.join(unknown)}")
    kept = {word: inlined[word] for word in _KEPT if word in inlined}
    # The API server drops what is empty; if it stood here, every `kubectl apply` would find a difference again.
    if properties := kept.pop("properties", None):
        kept["properties"] = {name: _plain(field, definitions, f"{where}.{name}") for name, field in properties.items()}
    for word in ("items", "additionalProperties"):
        if word in kept:
            kept[word] = _plain(kept[word], definitions, f"{where}[]")
    return kept


def _inlined(schema: Schema, definitions: Mapping[str, Schema], where: str) -> Schema:
    """Without $ref, anyOf, allOf and const; a list says of what type it is."""
    if "$ref" in schema:
        return _inlined(
            _over(definitions[schema["$ref"].rpartition("/")[2]], _without(schema, "$ref")), definitions, where
        )
    for word in ("anyOf", "allOf"):
        if word in schema:
            choices = [choice for choice in schema[word] if choice != {"type": "null"}]
            if len(choices) != 1:
                raise ValueError(f"{where}: a CRD cannot say that a field is one of several types")
            return _inlined(_over(choices[0], _without(schema, word)), definitions, where)
    if "const" in schema:
        return {**_without(schema, "const"), "enum": [schema["const"]]}
    if schema.get("type") == "array":
        return {"x-kubernetes-list-type": "atomic", **schema}
    return schema


def _over(inner: Schema, outer: Schema) -> Schema:
    """What is said about a type, and over it what is said about the field that has it. Rules of both hold."""
    both = [*inner.get(_RULES, ()), *outer.get(_RULES, ())]
    return {**inner, **outer, **({_RULES: both} if both else {})}


def _keys_ruled(schema: Schema, where: str) -> Schema:
    """A CRD has no propertyNames: what a map's keys must be becomes rules of the map."""
    if "propertyNames" not in schema:
        return schema
    names = schema["propertyNames"]
    if unknown := sorted(names.keys() - _DROPPED - {"type", "minLength", "maxLength", _RULES}):
        raise ValueError(f"{where}: a CRD cannot say {', '.join(unknown)} of a map's keys")
    rules = [{**rule, "rule": f"self.all(key, {_SELF.sub('key', rule['rule'])})"} for rule in names.get(_RULES, ())]
    least, most = names.get("minLength", 0), names.get("maxLength")
    if most is not None:
        says = f"give every key {least} to {most} characters"
        rules.insert(0, {"rule": f"self.all(key, size(key) >= {least} && size(key) <= {most})", "message": says})
    return _over({_RULES: rules}, _without(schema, "propertyNames"))


def _without(schema: Schema, word: str) -> Schema:
    return {name: value for name, value in schema.items() if name != word}
