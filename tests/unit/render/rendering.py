"""A spec and what its store holds, rendered."""

from typing import Any

from keyferry.api.external_secret import ExternalSecretSpec
from keyferry.errors import SecretMissing, SyncError
from keyferry.render.secret import Rendered, rendered
from keyferry.values import Fetched, Found, Looked, Lookup, Ref, Search, Value

STORE = {"kind": "SecretStore", "name": "store"}


def spec_of(*data: dict[str, Any], data_from: tuple[dict[str, Any], ...] = (), **more: Any) -> ExternalSecretSpec:
    return ExternalSecretSpec.model_validate({"secretStoreRef": STORE, "data": data, "dataFrom": data_from, **more})


def item(name: str = "k", key: str = "db", **more: Any) -> dict[str, Any]:
    """An entry of `data`; `optional` and `default` are its own, the rest is its remoteRef's."""
    own: dict[str, Any] = {part: more.pop(part) for part in ("optional", "default") if part in more}
    return {"secretKey": name, "remoteRef": {"key": key, **more}, **own}


def render(spec: ExternalSecretSpec, held: dict[str, bytes | SyncError]) -> Rendered:
    """What comes of the spec over a store that holds these keys; an error stands for a read that failed."""
    looked: dict[Lookup | Search, tuple[Found, ...] | SyncError] = {}
    fetched: dict[Found, Fetched] = {}
    for asked in spec.requests:
        keys = [asked.key] if isinstance(asked, Lookup) else sorted(held)
        found = tuple(Found(key, Ref(key), "1") for key in keys if key in held)
        looked[asked] = found if found or isinstance(asked, Search) else SecretMissing(f"no {keys[0]}")
        fetched |= {each: _read(held[each.key]) for each in found}
    return rendered(spec, _as_looked(looked), fetched)


def _as_looked(looked: Looked) -> Looked:
    return looked


def _read(held: bytes | SyncError) -> Fetched:
    return Value(held, "1") if isinstance(held, bytes) else held


def data_of(spec: ExternalSecretSpec, **held: bytes | SyncError) -> dict[str, bytes]:
    """The data, of a rendering in which nothing is wrong."""
    made = render(spec, held)
    assert not made.gone
    assert not made.failures
    return dict(made.data)
