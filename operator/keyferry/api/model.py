"""The base of every model, and the field types that several of them share."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


class Model(BaseModel):
    """What a user wrote, read once at the edge. Frozen; unknown fields are left to the API server to prune."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True)


def rule(cel: str, message: str, **more: str) -> dict[str, str]:
    """One line of x-kubernetes-validations. The message says what to write instead."""
    return {"rule": cel, "message": message, **more}


def rules(*lines: dict[str, str]) -> dict[str, Any]:
    """For `json_schema_extra`: the API server checks these rules at `kubectl apply`."""
    return {"x-kubernetes-validations": list(lines)}


def given(*fields: str) -> str:
    """How many of the fields are there, in the language of `rule`."""
    return f"[{', '.join(f'has(self.{field})' for field in fields)}].filter(there, there).size()"


def keyed(*fields: str) -> dict[str, Any]:
    """For `json_schema_extra` of a list: these fields tell its entries apart, and no two entries share them.

    Server-side apply then merges entry by entry, and the API server names a duplicate.
    """
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(fields)}


# For `json_schema_extra` of a model whose fields mean nothing one by one: server-side apply takes it as a whole.
WHOLE: dict[str, Any] = {"x-kubernetes-map-type": "atomic"}


@dataclass(frozen=True, slots=True)
class Form:
    """Text of a certain form. The model and the API server refuse any other in the same words."""

    pattern: str  # of the whole text, from ^ to $, in the syntax that Python and RE2 share
    message: str
    wanted: bool = True  # False: text of this form is what is refused

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        matches = f"{'' if self.wanted else '!'}self.matches(r'{self.pattern}')"
        earlier = schema.get("x-kubernetes-validations", [])
        return {**schema, **rules(*earlier, rule(matches, self.message))}

    def _checked(self, text: str) -> str:
        if bool(re.fullmatch(self.pattern, text)) is not self.wanted:
            raise ValueError(self.message)
        return text


_SECONDS = {"s": 1, "m": 60, "h": 3600}
_DURATION = re.compile(r"0|([0-9]+[smh])+")


_LONGEST_HOURS = 8760  # a year; far below what a timedelta and the API server's durations can hold
_SAY_DURATION = f"write a duration such as 30s, 5m or 1h30m, of at most {_LONGEST_HOURS}h"
_SAY_POSITIVE = "write a duration longer than 0, such as 10s"


def _duration(text: Any) -> Any:
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or not _DURATION.fullmatch(text):
        raise ValueError(_SAY_DURATION)
    parts = re.findall(r"([0-9]+)([smh])", text)
    seconds = sum(int(number) * _SECONDS[unit] for number, unit in parts)
    if seconds > _LONGEST_HOURS * 3600:
        raise ValueError(_SAY_DURATION)
    return timedelta(seconds=seconds)


def _positive(value: timedelta) -> timedelta:
    if not value:
        raise ValueError(_SAY_POSITIVE)
    return value


def _duration_schema(*more: dict[str, str]) -> WithJsonSchema:
    # The text is matched first: only then can the API server read it as a duration.
    form = f"self.matches('^(0|([0-9]+[smh])+)$') && duration(self) <= duration('{_LONGEST_HOURS}h')"
    return WithJsonSchema({"type": "string", "maxLength": 20, **rules(rule(form, _SAY_DURATION), *more)})


_AS_TEXT = PlainSerializer(lambda d: f"{d.total_seconds():.0f}s")
_NOT_ZERO = rule("!self.matches('^(0|(0+[smh])+)$')", _SAY_POSITIVE)

Duration = Annotated[timedelta, BeforeValidator(_duration), _AS_TEXT, _duration_schema()]
PositiveDuration = Annotated[
    timedelta, BeforeValidator(_duration), AfterValidator(_positive), _AS_TEXT, _duration_schema(_NOT_ZERO)
]

_SHORT_SECONDS = 60
_SAY_SHORT = "write a duration of at most 1m, such as 10s"


def _short(value: timedelta) -> timedelta:
    if value.total_seconds() > _SHORT_SECONDS:
        raise ValueError(_SAY_SHORT)
    return value


_AT_MOST_SHORT = rule(
    f"!self.matches('^([0-9]+[smh])+$') || duration(self) <= duration('{_SHORT_SECONDS}s')", _SAY_SHORT
)
ShortDuration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    AfterValidator(_positive),
    AfterValidator(_short),
    _AS_TEXT,
    _duration_schema(_NOT_ZERO, _AT_MOST_SHORT),
]

_NAME = Form(
    r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
    "write a Kubernetes name: lower-case letters, digits, - and ., with a letter or digit at both ends",
)
_DATA_KEY = Form(r"^[-._a-zA-Z0-9]+$", "write a key of letters, digits, -, _ and ., as Kubernetes Secrets have them")

Name = Annotated[str, Field(max_length=253), _NAME]
SecretDataKey = Annotated[str, Field(max_length=253), _DATA_KEY]
# The same for references to credentials: they stand in a CRD dozens of times, and a pattern says it in fewer bytes.
ReferredName = Annotated[str, Field(max_length=253, pattern=_NAME.pattern)]
ReferredKey = Annotated[str, Field(max_length=253, pattern=_DATA_KEY.pattern)]


def problems(wrong: ValidationError) -> str:
    """What is wrong with a resource, field by field, for its status. Input is not quoted."""
    return "; ".join(
        f"spec.{'.'.join(map(str, each['loc']))}: {each['msg'].removeprefix('Value error, ')}"
        for each in wrong.errors(include_input=False)
    )
