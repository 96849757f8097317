"""The Secret that should be: its data from what was found and fetched, its body for server-side apply."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from keyferry.api.external_secret import Conversion, CreationPolicy, DataFrom, ExternalSecretSpec, RemoteRef
from keyferry.errors import SecretKeyInvalid, SecretMissing, SecretTooLarge, SyncError
from keyferry.render.decode import decoded
from keyferry.render.properties import members, picked
from keyferry.settings import GROUP, MANAGED_BY, OWNER_ANNOTATION, VERSION
from keyferry.values import Fetched, Found, Looked

LARGEST = 1024 * 1024  # bytes of values in one Secret; the API server refuses more
_FORBIDDEN = re.compile(r"[^-._a-zA-Z0-9]")
_LONGEST_KEY = 253


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a Secret's data should be, and what kept it from being so."""

    data: Mapping[str, bytes] = field(repr=False)
    gone: tuple[SyncError, ...] = ()  # what is missing at the backend; it is not in `data`
    failures: tuple[SyncError, ...] = ()  # anything else that is wrong


@dataclass(slots=True)
class _Draft:
    """A Secret's data while it is put together."""

    looked: Looked
    fetched: Mapping[Found, Fetched]
    data: dict[str, bytes] = field(default_factory=dict, repr=False)
    gone: list[SyncError] = field(default_factory=list)
    failures: list[SyncError] = field(default_factory=list)

    def failed(self, error: SyncError) -> None:
        (self.gone if isinstance(error, SecretMissing) else self.failures).append(error)

    def whole(self, ref: RemoteRef) -> bytes:
        """What a reference stands for, before decoding. Raises SyncError."""
        answer = self.looked[ref.request]
        if isinstance(answer, SyncError):
            raise answer.with_traceback(None)
        return self.value(answer[0])

    def value(self, found: Found) -> bytes:
        """The value of what was found. Raises SyncError."""
        answer = self.fetched[found]
        if isinstance(answer, SyncError):
            raise answer.with_traceback(None)
        return answer.data


def rendered(spec: ExternalSecretSpec, looked: Looked, fetched: Mapping[Found, Fetched]) -> Rendered:
    """The data of the Secret. Later entries win over earlier ones, `data` over `dataFrom`."""
    draft = _Draft(looked, fetched)
    for source in spec.data_from:
        try:
            draft.data |= _converted(_many(draft, source), source.conversion_strategy)
        except SyncError as failure:
            draft.failed(failure)
    for item in spec.data:
        try:
            draft.data[item.secret_key] = _one(draft, item.remote_ref)
        except SecretMissing as missing:
            if item.default is not None:
                draft.data[item.secret_key] = item.default.encode()
            elif item.optional:
                draft.data.pop(item.secret_key, None)
            else:
                draft.failed(missing)
        except SyncError as failure:
            draft.failed(failure)
    _limited(draft)
    return Rendered(draft.data, tuple(draft.gone), tuple(draft.failures))


def _one(draft: _Draft, ref: RemoteRef) -> bytes:
    value, where = draft.whole(ref), f"key {ref.key!r}"
    if ref.property:
        value, where = picked(value, ref.property, where), f"{where}, property {ref.property!r},"
    return decoded(value, ref.decoding, where)


def _many(draft: _Draft, source: DataFrom) -> dict[str, bytes]:
    if extract := source.extract:
        where = f"key {extract.key!r}"
        value = draft.whole(extract)
        if extract.property:
            value, where = picked(value, extract.property, where), f"{where}, property {extract.property!r},"
        return {
            key: decoded(each, extract.decoding, f"{where} member {key!r}")
            for key, each in members(value, where).items()
        }
    if not source.find:
        return {}
    answer = draft.looked[source.find.request]
    if isinstance(answer, SyncError):
        raise answer.with_traceback(None)
    if not answer:
        raise SecretMissing("find matches no secret that the store shows this namespace")
    return {each.key: decoded(draft.value(each), source.find.decoding, f"key {each.key!r}") for each in answer}


def _converted(data: Mapping[str, bytes], strategy: Conversion) -> dict[str, bytes]:
    """The same data under keys that a Secret can have. Raises SecretKeyInvalid."""
    named: dict[str, str] = {}
    for key in data:
        name = _FORBIDDEN.sub("_", key) if strategy is Conversion.UNDERSCORE else key
        if not name or _FORBIDDEN.search(name) or len(name) > _LONGEST_KEY or name in (".", ".."):
            raise SecretKeyInvalid(
                f"{key!r} cannot be a key of a Secret (letters, digits, - . and _ only, {_LONGEST_KEY} at most): set "
                "conversionStrategy: Underscore, or take it with data and a secretKey"
            )
        if (other := named.setdefault(name, key)) != key:
            raise SecretKeyInvalid(f"{other!r} and {key!r} would both become {name!r}: take one of them with data")
    return {name: data[key] for name, key in named.items()}


def _limited(draft: _Draft) -> None:
    size = sum(len(value) for value in draft.data.values())
    if size > LARGEST:
        largest = max(draft.data, key=lambda key: len(draft.data[key]))
        draft.failures.append(
            SecretTooLarge(
                f"the Secret would hold {size} bytes, and Kubernetes allows {LARGEST}: split it over several "
                f"ExternalSecrets (the largest key is {largest!r} with {len(draft.data[largest])} bytes)"
            )
        )


def body(
    spec: ExternalSecretSpec, metadata: Mapping[str, str], name: str, data: Mapping[str, bytes]
) -> dict[str, object]:
    """The Secret as an object to apply. `metadata` is the ExternalSecret's: name, namespace and uid."""
    target, merged = spec.target, spec.target.creation_policy is CreationPolicy.MERGE
    ours: dict[str, object] = {"name": name, "namespace": metadata["namespace"]}
    labels = dict(target.labels) | ({} if merged else {MANAGED_BY: "keyferry"})
    annotations = dict(target.annotations) | ({} if merged else {OWNER_ANNOTATION: metadata["name"]})
    if labels:
        ours["labels"] = labels
    if annotations:
        ours["annotations"] = annotations
    if target.creation_policy is CreationPolicy.OWNER:
        ours["ownerReferences"] = [_owner(metadata)]
    made: dict[str, object] = {"apiVersion": "v1", "kind": "Secret", "metadata": ours}
    if target.type or not merged:
        made["type"] = target.type or "Opaque"
    if target.immutable:
        made["immutable"] = True
    return {**made, "data": {key: base64.b64encode(value).decode("ascii") for key, value in sorted(data.items())}}


def _owner(metadata: Mapping[str, str]) -> dict[str, object]:
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "ExternalSecret",
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }
