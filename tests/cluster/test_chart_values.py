"""A value file with wrong types or unknown keys, at whatever depth: helm refuses it, and says where and why."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane import binaries, render_chart
from tests.controlplane.chart import HelmFailed

SCHEMA = json.loads((Path(__file__).parents[2] / "helm" / "keyferry" / "values.schema.json").read_text())
TYPO = "noSuchKey"
WRONG = {"string": 7, "integer": "seven", "number": "seven", "boolean": "yes", "array": {}, "object": []}
CALLED = {"string": "number", "integer": "string", "number": "string", "boolean": "string"}
CALLED |= {"array": "object", "object": "array"}
FREE = {"global", "affinity", "resources"}  # Helm's own, and what Kubernetes itself checks


def parts(schema: dict[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every value that the schema knows, and what it says of it."""
    for name, told in (schema.get("properties") or {}).items():
        yield (*at, name), told
        yield from parts(told, (*at, name))


PARTS = dict(parts(SCHEMA))
CLOSED = {at: told for at, told in PARTS.items() if "properties" in told and at[0] not in FREE}


def placed(values: dict[tuple[str, ...], Any]) -> dict[str, Any]:
    """A value file with these values."""
    made: dict[str, Any] = {}
    for at, value in values.items():
        within = made
        for name in at[:-1]:
            within = within.setdefault(name, {})
        within[at[-1]] = value
    return made


def refused(values: dict[str, Any]) -> str:
    """Helm's words."""
    with pytest.raises(HelmFailed) as failure:
        render_chart(binaries.find(), values)
    return str(failure.value)


def test_an_unknown_key_is_refused_by_its_name_wherever_it_stands():
    said = refused(placed({(*at, TYPO): "x" for at in ((), *CLOSED)}))

    for at in CLOSED:
        assert f"at '/{'/'.join(at)}': additional properties '{TYPO}' not allowed" in said
    assert f"at '': additional properties '{TYPO}' not allowed" in said


def test_a_value_of_a_wrong_type_is_refused_by_its_place_with_the_type_that_is_wanted():
    typed = {at: told["type"] for at, told in PARTS.items() if isinstance(told.get("type"), str) and at[0] != "global"}
    leaves = {at: kind for at, kind in typed.items() if at not in CLOSED}

    said = refused(placed({at: WRONG[kind] for at, kind in leaves.items()}))

    assert len(leaves) > 50
    for at, kind in leaves.items():
        assert f"at '/{'/'.join(at)}': got {CALLED[kind]}, want {kind}" in said


def test_a_group_of_values_that_is_none_is_refused_by_its_name():
    said = refused({at[0]: [] for at in CLOSED if len(at) == 1})

    for at in CLOSED:
        if len(at) == 1:
            assert f"at '/{at[0]}': got array, want object" in said


def test_every_value_has_a_type_or_a_choice():
    assert [at for at, told in PARTS.items() if not told.keys() & {"type", "enum", "anyOf", "oneOf"}] == []
