"""What Elasticsearch and its client say, and what Keyferry says instead: one table. Their words are never passed on.

They quote what was sent. Only whether they contain a known phrase is looked at.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from keyferry.backends import https
from keyferry.errors import AuthFailed, BackendUnavailable, PermissionDenied, SpecInvalid, SyncError, Throttled

PAGE = "docs/providers/elasticsearch.md"


class CallDenied(PermissionDenied):
    """The login is good, and lacks a privilege on the index."""


class Unprepared(BackendUnavailable):
    """The index is not there, or nobody has put anything into it yet. It can be made, where the login may."""


class IndexMissing(Unprepared):
    """There is no such index."""


class Written(BackendUnavailable):
    """Somebody else was quicker."""


class AnswerTooLarge(BackendUnavailable):
    """More came, or would have, than is taken at once. Asking for less helps."""


@dataclass(frozen=True, slots=True)
class About:
    """What was tried, as who, with whom, on what."""

    operation: str
    login: str
    host: str
    index: str
    needs: str = "read"  # the privilege on the index, as Elasticsearch calls it


@dataclass(frozen=True, slots=True)
class Failure:
    """What came back: a type of Elasticsearch's errors and an HTTP status, or the names of an exception's classes."""

    status: int = 0
    kind: str = ""  # such as index_not_found_exception
    said: str = field(default="", repr=False)  # in lower case
    own: bool = True  # whether it is an answer of Elasticsearch's own making
    classes: tuple[str, ...] = ()  # the most telling first
    retry_after: float | None = None
    of_proxy: Callable[[str], SyncError | None] = field(
        default=lambda _: None, repr=False
    )  # what it did to an operation

    @classmethod
    def of(cls, status: int, error: Any, retry_after: float | None = None) -> Self:
        """From the `error` of an answer. The first root cause may be more telling than the whole."""
        told = error if isinstance(error, dict) else {}
        return cls(status, str(told.get("type", "")), str(error).lower(), retry_after=retry_after)

    def says(self, phrase: str) -> bool:
        return phrase in self.said


Tell = Callable[[Failure, About], SyncError]


def told(failure: Failure, about: About) -> SyncError:
    """The error for the user's status: which index, which login, which privilege, and what to do."""
    if failure.classes and (unreached := https.unreached(failure.classes, about.operation, about.host)):
        return unreached
    if failure.classes:
        tell = next((_OF_CLIENT[name] for name in failure.classes if name in _OF_CLIENT), _senseless)
    elif 300 <= failure.status < 400:
        tell = _sent_away
    elif not failure.own and failure.status != 429:
        tell = _foreign
    else:
        tell = _BY_KIND.get(failure.kind) or _BY_STATUS.get(failure.status, _senseless)
    return tell(failure, about)


def _unauthorized(failure: Failure, about: About) -> SyncError:
    for phrase, text in _LOGIN_WORDS:
        if failure.says(phrase):
            return AuthFailed(f"{about.host} does not accept {about.login}: {text}")
    return AuthFailed(f"{about.host} does not accept {about.login} (status 401)")


# What is known of Elasticsearch's words, in lower case, and what they mean; the first that fits counts.
_LOGIN_WORDS = (
    ("has been invalidated", "the key was invalidated: make another"),
    ("api key is expired", "the key has expired: make another; or a clock is off"),
    ("unable to find apikey", "there is no key with this ID: it was deleted, or is another cluster's"),
    ("invalid credentials for api key", "there is a key with this ID, and its secret is another"),
    ("invalid apikey value", "it is no API key: take what Elasticsearch calls `encoded`, or id:api_key"),
    ("unable to authenticate user", "there is no such user, or the password is another"),
)


def _security(failure: Failure, about: About) -> SyncError:
    return (_unauthorized if failure.status == 401 else _forbidden)(failure, about)


def _forbidden(_: Failure, about: About) -> SyncError:
    return CallDenied(
        f"{about.login} lacks the privilege {about.needs} on the index {about.index}: grant it in a role of "
        "Elasticsearch's"
    )


def _no_index(_: Failure, about: About) -> SyncError:
    return IndexMissing(
        f"{about.host} has no index {about.index}: run PUT /{about.index} with the mapping that {PAGE} prints, or "
        f"let {about.login} make it (privilege create_index)"
    )


def _blocked(failure: Failure, about: About) -> SyncError:
    for phrase, text in _BLOCKS:
        if failure.says(phrase):
            return BackendUnavailable(f"{about.host}: {text.format(index=about.index)}")
    return BackendUnavailable(f"{about.host}: the index {about.index}, or the whole cluster, is blocked")


_BLOCKS = (
    ("flood-stage", "the index {index} is read-only, because a disk of Elasticsearch's is full: make room there"),
    ("no master", "the cluster has no master: see to its nodes"),
    ("not recovered", "the cluster has not recovered its state yet"),
    ("index write", "the index {index} is blocked for writing: take index.blocks.write away"),
    ("index read-only", "the index {index} is read-only: take index.blocks.read_only away"),
    ("index read (", "the index {index} is blocked for reading: take index.blocks.read away"),
)


def _is(words: str, cls: type[SyncError] = BackendUnavailable) -> Tell:
    """Words about the index."""

    def tell(_: Failure, about: About) -> SyncError:
        return cls(f"{about.host}: {words.format(index=about.index, operation=about.operation)}")

    return tell


def _throttled(failure: Failure, about: About) -> SyncError:
    why = "has no memory for more" if failure.kind == "circuit_breaking_exception" else "is asked too often"
    return Throttled(f"{about.host} {why} (status 429)", retry_after=failure.retry_after)


def _bad_search(failure: Failure, about: About) -> SyncError:
    """A search that fails names its reasons below, one a shard."""
    if failure.says("result window is too large"):
        return AnswerTooLarge(f"{about.host}: the index {about.index} gives smaller pages only")
    if failure.status == 400:
        return _UNFIT(failure, about)
    if failure.status == 429:
        return _throttled(failure, about)
    return _RED(failure, about)


_RED = _is("shards of the index {index} are not available: look at the cluster's health")
_UNFIT = _is(f"the index {{index}} has another mapping than Keyferry needs: compare it with {PAGE}")


def _sent_away(_: Failure, about: About) -> SyncError:
    return SpecInvalid(
        f"spec.provider.elasticsearch: {about.host} sends requests on to another address, where Keyferry does not "
        "follow: write that one"
    )


def _no_address(_: Failure, about: About) -> SyncError:
    return SpecInvalid(f"spec.provider.elasticsearch.addresses: {about.host} is no address that can be asked")


def _foreign(failure: Failure, about: About) -> SyncError:
    code = f"status {failure.status}"
    if failure.status >= 500:
        return BackendUnavailable(f"{about.host} fails at {about.operation} ({code})")
    return BackendUnavailable(
        f"at {about.host} there is no Elasticsearch of version 8, or no deployment with this Cloud ID: what answers is "
        f"none ({code})"
    )


def _senseless(failure: Failure, about: About) -> SyncError:
    if failure.status >= 500:
        return BackendUnavailable(f"{about.host} fails at {about.operation} (status {failure.status})")
    code = f"status {failure.status}" if failure.status else "no answer of Elasticsearch's"
    return BackendUnavailable(f"{about.host} answers {about.operation} with what Keyferry does not understand ({code})")


_BY_KIND: Mapping[str, Tell] = {
    "security_exception": _security,
    "index_not_found_exception": _no_index,
    "index_closed_exception": _is("the index {index} is closed: open it"),
    "cluster_block_exception": _blocked,
    "circuit_breaking_exception": _throttled,
    "es_rejected_execution_exception": _throttled,
    "search_phase_execution_exception": _bad_search,
    "no_shard_available_action_exception": _RED,
    "unavailable_shards_exception": _RED,
    "version_conflict_engine_exception": _is("somebody else writes to the index {index}, too: try again", Written),
    "resource_already_exists_exception": _is("the index {index} is there already", Written),
    "strict_dynamic_mapping_exception": _UNFIT,
    "document_parsing_exception": _UNFIT,
    "mapper_parsing_exception": _UNFIT,
    "media_type_header_exception": _is("Keyferry needs Elasticsearch 8 or 9", SpecInvalid),
}
_BY_STATUS: Mapping[int, Tell] = {401: _unauthorized, 403: _forbidden, 429: _throttled}
_OF_CLIENT: Mapping[str, Tell] = {
    "Closed": lambda _, __: BackendUnavailable("the store changed in the meantime; the next try uses the new one"),
    "TooLarge": _is("the answer to {operation} is larger than Keyferry takes at once", AnswerTooLarge),
    "InvalidURL": _no_address,
}
