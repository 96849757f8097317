"""The part of the reference that is generated: every field of a kind, what is refused, and the columns. Pure.

A page marks where it goes: `<!-- generated: ExternalSecret -->` … `<!-- end -->`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from keyferry.api.kinds import KINDS, Kind
from keyferry.api.schema import Schema

_BY_NAME = {kind.kind: kind for kind in KINDS}

# A page's second kind tells only what its first does not.
PAGES: Mapping[str, Sequence[Kind]] = {
    "docs/reference/externalsecret.md": (_BY_NAME["ExternalSecret"],),
    "docs/reference/secretstore.md": (_BY_NAME["SecretStore"], _BY_NAME["ClusterSecretStore"]),
}

Row = tuple[str, ...]
_SPECIAL = re.compile(r"[\\*_|<>`\[\]]")


def page_with_fields(page: str, kinds: Sequence[Kind]) -> str:
    """The page with its generated parts renewed. Raises ValueError when it does not mark where one goes."""
    first = kinds[0]
    for kind in kinds:
        start, end = f"<!-- generated: {kind.kind} -->\n", "<!-- end -->\n"
        before, marked, rest = page.partition(start)
        _, closed, after = rest.partition(end)
        if not (marked and closed):
            raise ValueError(f"a page of the reference lacks {start.strip()} or {end.strip()} after it")
        page = before + start + "\n" + _part(kind, beside=None if kind is first else first) + "\n" + end + after
    return page


def fields(kind: Kind) -> Iterator[tuple[str, Schema, bool]]:
    """Every field as its path, its schema, and whether it is required."""
    for part, schema in kind.schema()["properties"].items():
        yield from _below(part, schema, required=part == "spec")


def _below(path: str, schema: Schema, *, required: bool) -> Iterator[tuple[str, Schema, bool]]:
    yield path, schema, required
    while inner := schema.get("items"):
        path, schema = f"{path}[]", inner
    for name, field in schema.get("properties", {}).items():
        yield from _below(f"{path}.{name}", field, required=name in schema.get("required", ()))


def _part(kind: Kind, beside: Kind | None) -> str:
    known = set(_field_rows(beside)) | set(_refusal_rows(beside)) if beside else set()
    field_rows = [row for row in _field_rows(kind) if row not in known]
    refusals = [row for row in _refusal_rows(kind) if row not in known]
    text = f"### Fields of {kind.kind}\n\n"
    if beside:
        text += f"All those of {beside.kind}, and instead of them or besides them:\n\n"
    text += _table(("Field", "Type", "What it says"), field_rows)
    text += f"\n### What the API server refuses in {kind.kind}\n\n"
    if beside:
        text += f"All that it refuses in {beside.kind}, and instead of it or besides it:\n\n"
    text += _table(("It says", "About"), refusals)
    if not beside:
        text += "\n### Columns of `kubectl get`\n\n"
        text += _table(("Column", "What it says"), _column_rows(kind))
    return text


def _field_rows(kind: Kind) -> list[Row]:
    return [
        (f"`{path}`", ", ".join(_type(schema, required=required)), _prose(schema["description"]))
        for path, schema, required in fields(kind)
    ]


def _refusal_rows(kind: Kind) -> list[Row]:
    """Each message with the fields that it may be about."""
    places = {rule["message"]: ["the resource"] for rule in kind.rules}
    for path, schema, _ in fields(kind):
        for where, part in ((path, schema), (f"{path}[]", _inner(schema)), (f"{path}.*", _values(schema))):
            for rule in part.get("x-kubernetes-validations", ()):
                places.setdefault(rule["message"], []).append(f"`{where}`")
    return [(_prose(message), ", ".join(where)) for message, where in places.items()]


def _column_rows(kind: Kind) -> list[Row]:
    return [
        (f"{column.name} (with `-o wide`)" if column.wide else column.name, _prose(column.description))
        for column in kind.columns
    ]


def _inner(schema: Schema) -> Schema:
    inner: Schema = schema.get("items", {})
    return inner


def _values(schema: Schema) -> Schema:
    values: Schema = schema.get("additionalProperties", {})
    return values


def _type(schema: Schema, *, required: bool) -> Iterator[str]:
    yield _type_name(schema)
    if required:
        yield "**required**"
    for least, most, unit in (
        ("minLength", "maxLength", "characters"),
        ("minItems", "maxItems", "entries"),
        ("minProperties", "maxProperties", "entries"),
        ("minimum", "maximum", ""),
    ):
        if most in schema:
            yield (
                f"{schema[least]} to {schema[most]} {unit}".rstrip() if least in schema else f"≤ {schema[most]} {unit}"
            )


def _type_name(schema: Schema) -> str:
    if "enum" in schema:
        return " or ".join(f"`{choice}`" for choice in schema["enum"])
    if "items" in schema:
        return f"list of {_type_name(schema['items'])}s"
    if "additionalProperties" in schema:
        return f"map of {_type_name(schema['additionalProperties'])}s"
    return str(schema["type"])


def _prose(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\g<0>", text)


def _table(head: Row, rows: Sequence[Row]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
