"""The Secret that should be: its data from what was found and fetched, its body for server-side apply."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keyferry.api.external_secret import Conversion, CreationPolicy, DataFrom, ExternalSecretSpec, RemoteRef
from keyferry.errors import SecretKeyInvalid, SecretMissing, SecretTooLarge, SyncError, ValueInvalid
from keyferry.render.decode import decoded
from keyferry.render.properties import as_bytes, members, parsed, picked
from keyferry.settings import GROUP, MANAGED_BY, OWNER_ANNOTATION, VERSION
from keyferry.values import Fetched, Found, Looked, Lookup, Value

LARGEST = 1024 * 1024  # bytes of values in one Secret; the API server refuses more
_FORBIDDEN = re.compile(r"[^-._a-zA-Z0-9]|^\.(?=\.|$)")  # a leading .. and a lone . are file names of their own
_LONGEST_KEY = 253
_Line = tuple[str, str, bytes]  # what an error calls it, its key, its value


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
    called: dict[str, str] = field(default_factory=dict)  # what an error calls a key: its name may be part of a value
    documents: dict[Lookup, Any] = field(default_factory=dict, repr=False)  # parsed once, however many parts are picked
    gone: list[SyncError] = field(default_factory=list)
    failures: list[SyncError] = field(default_factory=list)

    def failed(self, error: SyncError) -> None:
        # An error outlives the values by far: without frames and causes, which hold them.
        error.__context__ = error.__traceback__ = None
        (self.gone if isinstance(error, SecretMissing) else self.failures).append(error)

    def whole(self, ref: RemoteRef) -> bytes:
        """What a reference stands for, before decoding. Raises SyncError."""
        return self.held(ref).data

    def held(self, ref: RemoteRef) -> Value:
        """The value that a reference leads to. Raises SyncError."""
        answer = self.looked[ref.request]
        if isinstance(answer, SyncError):
            raise answer
        return self.value(answer[0])

    def document(self, ref: RemoteRef, where: str) -> Any:
        """The same as what properties are picked from: a map of bytes as it is, else JSON. Raises SyncError."""
        if ref.request not in self.documents:
            held = self.held(ref)
            try:
                self.documents[ref.request] = parsed(held.data, where) if held.members is None else dict(held.members)
            except ValueInvalid as wrong:
                self.documents[ref.request] = wrong
        if isinstance(found := self.documents[ref.request], ValueInvalid):
            raise found
        return found

    def value(self, found: Found) -> Value:
        """The value of what was found. Raises SyncError."""
        answer = self.fetched[found]
        if isinstance(answer, SyncError):
            raise answer
        return answer


def rendered(spec: ExternalSecretSpec, looked: Looked, fetched: Mapping[Found, Fetched]) -> Rendered:
    """The data of the Secret. Later entries win over earlier ones, `data` over `dataFrom`."""
    draft = _Draft(looked, fetched)
    for source in spec.data_from:
        try:
            for called, name, value in _converted(_many(draft, source), source.conversion_strategy):
                draft.data[name], draft.called[name] = value, called
        except SyncError as failure:
            draft.failed(failure)
    for item in spec.data:
        name = item.secret_key
        called = draft.called[name] = f"secretKey {name!r}"
        try:
            draft.data[_allowed(name, called, "choose another")] = _one(draft, item.remote_ref)
        except SecretMissing as missing:
            if item.default is not None:
                draft.data[name] = item.default.encode()
            elif item.optional:
                draft.data.pop(name, None)
            else:
                draft.failed(missing)
        except SyncError as failure:
            draft.failed(failure)
    _limited(draft)
    return Rendered(draft.data, tuple(draft.gone), tuple(draft.failures))


def _one(draft: _Draft, ref: RemoteRef) -> bytes:
    where = f"key {ref.key!r}"
    if not ref.property:
        return decoded(draft.whole(ref), ref.decoding, where)
    part, where = _part(draft, ref, where)
    return decoded(as_bytes(part, where), ref.decoding, where)


def _part(draft: _Draft, ref: RemoteRef, where: str) -> tuple[Any, str]:
    """The document, or what a property picks of it; and what errors call that."""
    document = draft.document(ref, where)
    if not ref.property:
        return document, where
    return picked(document, ref.property, where), f"{where}, property {ref.property!r},"


def _many(draft: _Draft, source: DataFrom) -> list[_Line]:
    """What a source gives: how errors call it, its key, its value. Raises SyncError."""
    if extract := source.extract:
        part, where = _part(draft, extract, f"key {extract.key!r}")
        lines = []
        for number, (key, each) in enumerate(members(part, where).items(), 1):
            called = f"member {number} of {where.rstrip(',')}"  # its name is a part of the value
            lines.append((called, key, decoded(as_bytes(each, called), extract.decoding, called)))
        return lines
    if not source.find:
        return []
    answer = draft.looked[source.find.request]
    if isinstance(answer, SyncError):
        raise answer
    if not answer:
        raise SecretMissing("find matches no secret that the store shows this namespace")
    return [
        (called, each.key, decoded(draft.value(each).data, source.find.decoding, called))
        for each in answer
        if (called := f"key {each.key!r}")
    ]


def _converted(lines: list[_Line], strategy: Conversion) -> list[_Line]:
    """The same under keys that a Secret can have. Raises SecretKeyInvalid."""
    named: dict[str, _Line] = {}
    for called, key, value in lines:
        name = _FORBIDDEN.sub("_", key) if strategy is Conversion.UNDERSCORE else key
        _allowed(name, called, "set conversionStrategy: Underscore, or take it with data and a secretKey")
        if other := named.get(name):
            raise SecretKeyInvalid(f"{other[0]} and {called} would become one key: take one of them with data")
        named[name] = (called, name, value)
    return list(named.values())


def _allowed(name: str, called: str, remedy: str) -> str:
    """The name itself. Raises SecretKeyInvalid where the API server would not take it."""
    if not name or _FORBIDDEN.search(name) or len(name) > _LONGEST_KEY:
        raise SecretKeyInvalid(
            f"{called} cannot be a key of a Secret (letters, digits, - . and _ only, no .. in front, "
            f"{_LONGEST_KEY} characters at most): {remedy}"
        )
    return name


def _limited(draft: _Draft) -> None:
    size = sum(len(value) for value in draft.data.values())
    if size > LARGEST:
        largest = max(draft.data, key=lambda key: len(draft.data[key]))
        draft.failures.append(
            SecretTooLarge(
                f"the Secret would hold {size} bytes, and Kubernetes allows {LARGEST}: split it over several "
                f"ExternalSecrets (the largest is {draft.called[largest]} with {len(draft.data[largest])} bytes)"
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
